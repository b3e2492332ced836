import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import microtutor.statistics
from microtutor.microstructures import LineImages
from microtutor.statistics import (
    TwoPointStatistics,
    autocorrelation,
    cross_correlation,
    radial_average,
    two_point_statistics,
    volume_fraction,
)
from tests.strategies import phase_images


def some_images(*shape, levels=2, seed=0):
    return np.random.default_rng(seed).integers(levels, size=shape).astype(float)


def close(found, wanted):
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=0, atol=1e-12)


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_by_hand():
    """Two pixels of four, side by side on a ring: 2 pairs at shift 0, 1 each at +1 and -1, none at 2 = -2."""
    images = np.array([[[1.0, 1, 0, 0]]])
    statistics = TwoPointStatistics().fit(images)
    close(statistics.transform(images), [[0.5, 0.25, 0, 0.25]])
    assert statistics.get_feature_names_out().tolist() == ["f(0,0)", "f(0,1)", "f(0,-2)", "f(0,-1)"]
    centred = TwoPointStatistics(centred=True).fit(images)
    close(centred.transform(images), [[0, 0.25, 0.5, 0.25]])
    assert centred.get_feature_names_out().tolist() == ["f(0,-2)", "f(0,-1)", "f(0,0)", "f(0,1)"]
    close(TwoPointStatistics(boundary=("open", "open")).fit_transform(images), [[2 / 4, 1 / 3, 0, 1 / 3]])


def test_phases_by_hand():
    """Labels 0 1 2 on a ring: phase 2 lies one pixel right of phase 1."""
    labels = np.array([[[0, 1, 2]]])
    statistics = TwoPointStatistics(phases=3, centred=True).fit(labels)
    assert statistics.pairs_ == ((1, 1), (1, 2), (2, 2))
    assert statistics.map_shape_ == (3, 1, 3)
    wanted = {"f[1,1](0,0)", "f[1,2](0,1)", "f[2,2](0,0)"}
    for name, value in zip(statistics.get_feature_names_out(), statistics.transform(labels)[0], strict=True):
        assert value == pytest.approx(1 / 3 if name in wanted else 0, abs=1e-7)


# --- against the functions --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("boundary", ["periodic", "open", ("periodic", "open")])
@pytest.mark.parametrize("shape", [(5, 5), (6, 7), (8, 4)])
def test_features_are_the_maps(shape, boundary):
    images = some_images(3, *shape)
    f = autocorrelation(torch.from_numpy(images), boundary=boundary)
    close(TwoPointStatistics(boundary=boundary).fit_transform(images), f.flatten(1))
    for options in ({"centred": True}, {"max_shift": 1}, {"max_shift": 1, "centred": True}):
        wanted = autocorrelation(torch.from_numpy(images), boundary=boundary, **options)
        statistics = TwoPointStatistics(boundary=boundary, **options)
        close(statistics.fit_transform(images), wanted.flatten(1))
        assert statistics.map_shape_ == (1, *wanted.shape[1:])
        close(
            TwoPointStatistics(boundary=boundary, radial=True, **options).fit_transform(images),
            radial_average(wanted, centred=True),
        )
    close(TwoPointStatistics(boundary=boundary, radial=True).fit_transform(images), radial_average(f))


@pytest.mark.parametrize("options", [{}, {"centred": True}, {"max_shift": 1}, {"radial": True}])
def test_names_say_where_a_value_comes_from(options):
    images = some_images(2, 5, 4, levels=3)
    statistics = TwoPointStatistics(phases=3, pairs=[(0, 2), (1, 1)], **options).fit(images)
    found, names = statistics.transform(images), statistics.get_feature_names_out()
    assert len(names) == len(set(names)) == found.shape[1] == np.prod(statistics.map_shape_)
    m = torch.from_numpy(np.stack([images == i for i in range(3)], 1)).double()
    f = two_point_statistics(m)
    for name, column in zip(names, found.T, strict=True):
        pair, place = name.removeprefix("f[").removesuffix(")").split("](")
        i, j = map(int, pair.split(","))
        shift = tuple(map(int, place.split(",")))
        wanted = (radial_average(f) if options.get("radial") else f)[:, i, j]
        close(column, wanted[(slice(None), *shift)])


def test_channels_and_labels_and_indicators_agree():
    labels = some_images(3, 6, 5, levels=3)
    channels = np.stack([labels == i for i in range(3)], 1).astype(float)
    from_labels = TwoPointStatistics(phases=3).fit_transform(labels)
    close(TwoPointStatistics().fit_transform(channels), from_labels)
    close(TwoPointStatistics(phases=3).fit_transform(labels[:, None]), from_labels)
    indicator = channels[:, 1]
    alone = TwoPointStatistics().fit_transform(indicator)
    close(alone, from_labels[:, :30])
    of_bool = TwoPointStatistics(phases=2, dtype="float64").fit_transform(indicator.astype(bool)[:, None])
    close(of_bool, alone)
    close(TwoPointStatistics().fit_transform(np.stack([1 - indicator, indicator], 1)), alone)
    both = TwoPointStatistics(pairs=((0, 1), (0, 0))).fit_transform(indicator)
    m = torch.from_numpy(indicator)
    close(both, torch.cat([cross_correlation(1 - m, m).flatten(1), autocorrelation(1 - m).flatten(1)], 1))


@given(phase_images(), st.sampled_from(["periodic", "open"]))
def test_rows_are_images(m, boundary):
    images = m.numpy()[None]
    flat = TwoPointStatistics(shape=m.shape, boundary=boundary).fit(images.reshape(1, -1))
    wanted = TwoPointStatistics(boundary=boundary).fit(images)
    close(flat.transform(images.reshape(1, -1)), wanted.transform(images))
    close(wanted.transform(images.reshape(1, -1)), wanted.transform(images))
    assert flat.image_shape_ == wanted.image_shape_ == m.shape
    assert flat.n_features_in_ == wanted.n_features_in_ == m.numel()
    assert TwoPointStatistics(shape=(-1, m.shape[1])).fit(images.reshape(1, -1)).image_shape_ == m.shape


def test_rows_with_channels():
    labels = some_images(4, 5, 6, levels=3)
    channels = np.stack([labels == i for i in range(3)], 1).astype(float)
    rows = channels.reshape(4, -1)
    close(TwoPointStatistics(shape=(3, 5, 6)).fit_transform(rows), TwoPointStatistics().fit_transform(channels))


# --- masks ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("radial", [False, True])
def test_one_mask_for_all_images(boundary, radial):
    images, mask = some_images(3, 5, 6), some_images(5, 6, levels=3, seed=1) / 2
    f = autocorrelation(torch.from_numpy(images), mask=torch.from_numpy(mask), boundary=boundary)
    found = TwoPointStatistics(mask=mask, boundary=boundary, radial=radial).fit_transform(images)
    close(found, radial_average(f) if radial else f.flatten(1))
    options = {"mask": mask.tolist(), "boundary": boundary, "radial": radial}
    close(TwoPointStatistics(shape=(5, 6), **options).fit_transform(images.reshape(3, 30)), found)


def test_pixels_that_are_missing_are_a_mask_for_each_image():
    images, known = some_images(3, 5, 6), some_images(3, 5, 6, levels=4, seed=1) > 0
    holes = np.where(known, images, np.nan)
    f = autocorrelation(torch.from_numpy(images), mask=torch.from_numpy(known))
    statistics = TwoPointStatistics(missing=True).fit(holes)
    close(statistics.transform(holes), f.flatten(1))
    assert np.isnan(holes).any()
    mask = some_images(5, 6, levels=3, seed=2) / 2
    both = autocorrelation(torch.from_numpy(images), mask=torch.from_numpy(known * mask))
    close(TwoPointStatistics(missing=True, mask=mask).fit_transform(holes), both.flatten(1))


def test_missing_pixels_with_several_phases():
    labels, known = some_images(2, 5, 6, levels=3), some_images(2, 5, 6, levels=4, seed=1) > 0
    m = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 3).movedim(-1, 1).double()
    f = two_point_statistics(m, mask=torch.from_numpy(known)[:, None], pairs=[(1, 1), (1, 2), (2, 2)]).flatten(1)
    holes = np.where(known, labels, np.nan)
    close(TwoPointStatistics(phases=3, missing=True).fit_transform(holes), f)
    channels = m.numpy().copy()
    channels[:, 1][~known] = np.nan  # in one of the phases is enough
    close(TwoPointStatistics(missing=True).fit_transform(channels), f)


def test_a_pipeline_with_missing_pixels():
    images = LineImages(size=64).sample(40, seed=0).images[:, 0].numpy()
    holes = np.where(np.random.default_rng(0).random(images.shape) < 0.2, np.nan, images)
    model = make_pipeline(TwoPointStatistics(max_shift=20, missing=True), PCA(5, svd_solver="full"))
    assert np.isfinite(model.fit_transform(holes)).all()
    with pytest.raises(ValueError, match="NaN"):
        TwoPointStatistics().fit(holes)


@pytest.mark.parametrize("rows", [False, True])
def test_the_mask_of_a_masked_array_counts(rows):
    images, hidden = some_images(3, 5, 6), some_images(3, 5, 6, levels=4, seed=1) == 0
    masked = np.ma.array(np.where(hidden, 7.0, images), mask=hidden)  # what is hidden may be anything
    wanted = autocorrelation(torch.from_numpy(images), mask=torch.from_numpy(~hidden)).flatten(1)
    statistics = TwoPointStatistics(shape=(5, 6))
    close(statistics.fit_transform(masked.reshape(3, 30) if rows else masked), wanted)
    whole = np.ma.array(images, mask=False)
    close(statistics.fit(whole).transform(whole), autocorrelation(torch.from_numpy(images)).flatten(1))
    labels = np.ma.array(some_images(3, 5, 6, levels=3).astype(np.uint8), mask=hidden)
    holes = np.where(hidden, np.nan, labels.data)
    found = TwoPointStatistics(phases=3, dtype="float64").fit_transform(labels)
    close(found, TwoPointStatistics(phases=3, missing=True).fit_transform(holes))
    dask = pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
    close(statistics.fit_transform(dask.from_array(masked, chunks=2)), wanted)
    holed = masked.copy()
    holed[0, 0, 0] = np.nan  # NaN that no mask hides
    with pytest.raises(ValueError, match="NaN"):
        TwoPointStatistics().fit(holed)


# --- volumes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"boundary": "open", "max_shift": 1}, {"radial": True}, {"centred": True}])
def test_volumes(options):
    m = torch.from_numpy(some_images(2, 5, 4, 6))
    plain = {name: value for name, value in options.items() if name != "radial"}
    f = autocorrelation(m, ndim=3, **plain)
    wanted = radial_average(f, ndim=3) if options.get("radial") else f
    statistics = TwoPointStatistics(ndim=3, **options).fit(m)
    close(statistics.transform(m), wanted.flatten(1))
    assert len(statistics.get_feature_names_out()) == wanted[0].numel()
    rows = TwoPointStatistics(ndim=3, shape=(5, 4, 6), **options)
    close(rows.fit_transform(m.flatten(1)), wanted.flatten(1))
    both = TwoPointStatistics(ndim=3, **options).fit(torch.stack([1 - m, m], 1))
    assert both.image_shape_ == (2, 5, 4, 6)
    close(both.transform(torch.stack([1 - m, m], 1)), wanted.flatten(1))


def test_volumes_are_no_phases():
    volumes = np.concatenate([some_images(2, 6, 6, 6), np.zeros((1, 6, 6, 6))])
    with pytest.raises(
        ValueError, match=r"the 6 phases of each pixel to sum to 1, got sums from 0 to \d; if axis 1 .* ndim=3"
    ):
        TwoPointStatistics().fit(volumes)
    assert TwoPointStatistics(ndim=3).fit(volumes).map_shape_ == (1, 6, 6, 6)
    with pytest.raises(
        ValueError, match=r"expected images of shape \(n, D, H, W\) or \(n, phases, D, H, W\), got \(1, 1,"
    ):
        TwoPointStatistics(ndim=3).fit(np.zeros((1, 1, 1, 1, 2, 2)))


def test_pixels_that_are_not_square():
    m = torch.from_numpy(some_images(2, 8, 12))
    found = TwoPointStatistics(radial=True, spacing=(2, 1)).fit_transform(m)
    close(found, radial_average(autocorrelation(m), spacing=(2, 1)))


# --- as scikit-learn wants it -----------------------------------------------------------------------------------------
class Squashed(TwoPointStatistics):
    """The same for any numbers, as scikit-learn's checks send them: they are squeezed into [0, 1] first."""

    def _images(self, X, *, reset):
        return super()._images(X, reset=reset).sigmoid()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        return tags


@parametrize_with_checks(
    [
        Squashed(shape=(1, -1)),
        Squashed(shape=(1, -1), radial=True, boundary="open"),
        Squashed(shape=(1, -1), max_shift=0),
        Squashed(shape=(1, -1), missing=True),
    ]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:Estimator TwoPointStatistics.*")
def test_checks_of_scikit_learn_fail_only_for_values_that_are_no_phase():
    results = check_estimator(TwoPointStatistics(shape=(1, -1)), on_skip=None, on_fail=None)
    failures = [str(result["exception"]) for result in results if result["status"] == "failed"]
    assert len(failures) < len(results)
    assert all("expected a phase image with values in [0, 1]" in failure for failure in failures)


def test_statistics_then_pca_then_regression():
    """The volume fraction of line images is a linear function of their statistics."""
    images = LineImages(size=64).sample(80, seed=0).images
    fractions = volume_fraction(images)[:, 0].numpy()
    model = make_pipeline(TwoPointStatistics(max_shift=20), PCA(5, svd_solver="full"), Ridge(1e-6))
    assert cross_val_score(model, images.numpy(), fractions, cv=4).min() > 0.9
    model = clone(model).fit(images.numpy()[:60], fractions[:60])
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(images.numpy()[60:]), model.predict(images.numpy()[60:]))
    assert model[0].get_feature_names_out()[[0, -1]].tolist() == ["f(-20,-20)", "f(20,20)"]
    assert model[:-1].get_feature_names_out().tolist() == [f"pca{i}" for i in range(5)]


def test_clone_and_parameters():
    statistics = TwoPointStatistics(pairs=[(0, 1)], boundary="open", max_shift=3, radial=True, dtype="float64")
    assert clone(statistics).get_params() == statistics.get_params()
    assert statistics.set_params(max_shift=2).max_shift == 2
    assert not hasattr(clone(statistics.fit(some_images(2, 5, 5))), "pairs_")


def test_scikit_learn_is_asked_for_by_name():
    assert microtutor.statistics.TwoPointStatistics is TwoPointStatistics
    assert "TwoPointStatistics" in microtutor.statistics.__all__


# --- types ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("given_dtype", ["bool", "u1", "i8", "f2", "f4", "f8"])
def test_dtypes(given_dtype):
    images = some_images(2, 4, 4).astype(given_dtype)
    wanted = np.float64 if given_dtype == "f8" else np.float32
    assert TwoPointStatistics().fit_transform(images).dtype == wanted
    for dtype in ("float32", "float64"):
        assert TwoPointStatistics(dtype=dtype).fit_transform(images).dtype == dtype


def test_images_are_left_as_they_are():
    images = some_images(3, 4, 5).astype(np.float64)
    before = images.copy()
    images.flags.writeable = False
    statistics = TwoPointStatistics(pairs=[(0, 0), (1, 1)]).fit(images)
    found = statistics.transform(images)
    found[:] = 7
    assert np.array_equal(images, before)
    close(statistics.transform(np.asfortranarray(images)), statistics.transform(images))
    close(statistics.transform(images[::-1, ::-1, ::-1]), statistics.transform(images)[::-1])
    close(statistics.transform(images.tolist()), statistics.transform(images.astype(np.float32)))


def test_images_as_tensors():
    images = torch.from_numpy(some_images(3, 4, 5)).float()
    close(TwoPointStatistics().fit_transform(images), autocorrelation(images).flatten(1))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_phases_that_are_everywhere_or_nowhere(value):
    for shape, options in itertools.product(
        [(1, 1), (1, 4), (5, 1), (3, 3)], [{}, {"radial": True}, {"boundary": "open"}]
    ):
        found = TwoPointStatistics(**options).fit_transform(np.full((2, *shape), value))
        np.testing.assert_allclose(found, np.full(found.shape, value), atol=1e-12)


# --- bad input --------------------------------------------------------------------------------------------------------
def test_not_fitted():
    for method in (lambda t: t.transform(np.zeros((1, 2, 2))), lambda t: t.get_feature_names_out()):
        with pytest.raises(NotFittedError):
            method(TwoPointStatistics())


@pytest.mark.parametrize(
    ("X", "options", "error", "message"),
    [
        (np.zeros((4, 9)), {}, ValueError, r"got rows of 9 numbers; .* give its shape=\(H, W\)"),
        (np.zeros((4, 9)), {"shape": (2, 4)}, ValueError, r"shape as \(H, W\) or .* of 9 numbers, got \(2, 4\)"),
        (np.zeros((4, 9)), {"shape": (2, -1)}, ValueError, r"of 9 numbers, got \(2, -1\)"),
        (np.zeros((4, 9)), {"shape": (-1, -1)}, ValueError, r"of 9 numbers, got \(-1, -1\)"),
        (np.zeros((4, 9)), {"shape": (9,)}, ValueError, r"of 9 numbers, got \(9,\)"),
        (np.zeros(9), {}, ValueError, "Expected 2D array, got 1D array"),
        (np.zeros((0, 3, 3)), {}, ValueError, "0 sample"),
        (np.zeros((1, 0, 3)), {}, ValueError, "0 feature"),
        (
            np.zeros((1, 1, 1, 2, 2)),
            {},
            ValueError,
            r"expected images of shape \(n, H, W\) or \(n, phases, H, W\), got",
        ),
        (np.full((1, 2, 2), np.nan), {}, ValueError, "NaN"),
        (np.full((3, 2, 2), 1j), {}, ValueError, "Complex data not supported"),
        (
            np.array([np.zeros((2, 2)), np.full((2, 2), 255)]),
            {},
            ValueError,
            r"values in \[0, 1\], got values in \[0, 255\]",
        ),
        (
            np.zeros((1, 2, 2)) + 3,
            {"phases": 3},
            ValueError,
            "expected labels 0 to 2, one for each phase, got values from 3",
        ),
        (np.zeros((1, 2, 2)) + 0.5, {"phases": 3}, ValueError, "expected labels 0 to 2"),
        (np.zeros((1, 2, 2)) - 1, {"phases": 3}, ValueError, "expected labels 0 to 2"),
        (np.zeros((1, 2, 2)), {"phases": 1}, ValueError, "expected phases of at least 2, got 1"),
        (np.zeros((1, 2, 2)), {"phases": 2.5}, TypeError, "expected phases as a whole number"),
        (np.zeros((1, 3, 2, 2)), {"phases": 4}, ValueError, "a channel for each of 4 phases, got 3 channels"),
        (
            np.zeros((1, 2, 2)),
            {"pairs": [(1, 2)]},
            ValueError,
            r"pairs \(i, j\) of the phases 0 to 1, got \[\(1, 2\)\]",
        ),
        (np.zeros((1, 2, 2)), {"pairs": []}, ValueError, r"of the phases 0 to 1, got \[\]"),
        (np.zeros((1, 2, 2)), {"pairs": [(1,)]}, ValueError, r"of the phases 0 to 1, got \[\(1,\)\]"),
        (np.zeros((1, 2, 2)), {"boundary": "mirror"}, ValueError, "expected boundary to be 'periodic' or 'open'"),
        (np.zeros((1, 4, 6)), {"max_shift": 2}, ValueError, "max_shift of at most 1 for a side of 4 pixels, got 2"),
        (np.zeros((1, 4, 6)), {"mask": np.ones((6, 4))}, ValueError, r"mask of shape \(4, 6\), as the images, got"),
        (np.zeros((1, 4, 6)), {"mask": np.full((4, 6), 2)}, ValueError, r"expected a mask with values in \[0, 1\]"),
        (np.zeros((4, 9)), {"shape": 36}, ValueError, r"expected shape as \(H, W\) or .* of 9 numbers, got 36"),
        (np.zeros((4, 9)), {"shape": (2.0, 4.5)}, ValueError, r"of 9 numbers, got \(2.0, 4.5\)"),
        (np.zeros((1, 2, 2)), {"pairs": 3}, ValueError, r"pairs \(i, j\) of the phases 0 to 1, got 3"),
        (np.zeros((1, 2, 2)), {"boundary": None}, ValueError, "expected boundary to be .*, got None"),
        (np.zeros((1, 2, 2)), {"centred": "false"}, TypeError, "expected centred to be True or False, got 'false'"),
        (np.zeros((1, 2, 2)), {"ndim": "2"}, TypeError, "expected ndim as a whole number, got '2'"),
        (np.zeros((1, 2, 2)), {"spacing": (1, 2, 3)}, ValueError, "expected spacing as the size of a pixel"),
        (np.zeros((1, 2, 2)), {"mask": "ab"}, TypeError, "expected the mask as an array of real numbers"),
        (None, {}, ValueError, r"^expected images of shape \(n, H, W\) or \(n, phases, H, W\), got None: "),
        (np.zeros((1, 2, 2)), {"dtype": "float16"}, ValueError, "expected dtype to be 'float32', 'float64' or None"),
    ],
)
def test_bad_input(X, options, error, message):
    with pytest.raises(error, match=message):
        TwoPointStatistics(**options).fit(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 5, 4)), r"expected images of shape \(n, 4, 5\), got \(1, 5, 4\)"),
        (np.zeros((1, 1, 4, 5)), r"expected images of shape \(n, 4, 5\), got \(1, 1, 4, 5\)"),
        (np.zeros((1, 19)), "X has 19 features, but TwoPointStatistics is expecting 20 features as input"),
        (np.full((1, 4, 5), 2.0), r"values in \[0, 1\]"),
    ],
)
def test_images_unlike_those_fitted(X, message):
    statistics = TwoPointStatistics().fit(np.zeros((1, 4, 5)))
    with pytest.raises(ValueError, match=message):
        statistics.transform(X)


def test_names_for_another_number_of_features():
    with pytest.raises(ValueError, match="length equal to the number of features, 4, got 1"):
        TwoPointStatistics().fit(np.zeros((1, 2, 2))).get_feature_names_out(["a"])


def test_images_of_several_shapes_are_told():
    images = [np.zeros((4, 4)), np.zeros((4, 5))]
    with pytest.raises(ValueError, match=r"^expected images of one shape, .* got \(4, 4\) and \(4, 5\); cut them"):
        TwoPointStatistics().fit(images)
    with pytest.raises(ValueError, match="expected images of one shape"):
        TwoPointStatistics().fit(images[:1]).transform(images)
    with pytest.raises(ValueError, match=r"^expected images of shape \(n, H, W\) .* got a list: "):
        TwoPointStatistics().fit([[[1.0, 2.0], [3.0]]])  # one image whose rows differ
