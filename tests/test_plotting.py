import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from microtutor import plotting
from microtutor.evaluation import evaluate_reconstructions
from microtutor.microstructures import LineImages, read_micrograph
from microtutor.statistics import autocorrelation, canonical_form, radial_average


def drawn(ax):
    return ax.images[0].get_array()


def axes():
    return Figure().subplots()


def three():
    return LineImages(size=32).sample(3).images


# --- images and statistics --------------------------------------------------------------------------------------------
def test_show_images():
    images = three()
    figure = plotting.show_images(images, ["a", "b", "c"], columns=2)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]  # the fourth place is left empty
    for ax, image in zip(figure.axes, images[:, 0]):
        assert np.array_equal(drawn(ax), image)
        assert ax.images[0].get_cmap().name == "gray_r"  # the phase black on white
        assert ax.images[0].get_clim() == (0, 1)
    assert len(plotting.show_images(images.requires_grad_()).axes) == 3
    assert len(plotting.show_images(images[0, 0]).axes) == 1


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (9, 4)])
@pytest.mark.parametrize("centred", [False, True])
def test_the_map_has_zero_shift_at_zero(shape, centred):
    m = torch.zeros(shape)
    m[1, 1] = m[2, 3] = 1
    ax = axes()
    plotting.draw_statistics(ax, autocorrelation(m, centred=centred), "title", centred=centred)
    _, bar = ax.figure.axes
    assert ax.get_title() == "title"
    assert bar.get_ylabel() == "probability f(r)"
    found = drawn(ax)
    left, right, bottom, top = ax.images[0].get_extent()
    assert (right - left, bottom - top) == shape[::-1]
    for row, column in np.ndindex(shape):
        shift = round(top + row + 0.5), round(left + column + 0.5)
        assert found[row, column] == pytest.approx(autocorrelation(m)[shift].item())


def test_draw_statistics_without_colour_bar():
    figure, ax = plt.subplots()
    plotting.draw_statistics(ax, autocorrelation(torch.eye(4)), vmax=0.5, colorbar=False)
    assert len(figure.axes) == 1
    assert ax.images[0].get_clim() == (0, 0.5)


def test_draw_statistics_in_units_of_length():
    f = autocorrelation(torch.eye(8))
    ax = axes()
    plotting.draw_statistics(ax, f, pixel_size=0.5, unit="µm")
    assert ax.images[0].get_extent() == [-2.25, 1.75, 1.75, -2.25]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("shift along width (µm)", "shift along height (µm)")


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (1, 6), (1, 1)])
def test_draw_radial(shape, centred):
    m = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    m[0, 0] = 1
    f, fraction = autocorrelation(m, centred=centred), m.mean().item()
    ax = axes()
    plotting.draw_radial(ax, f, "title", centred=centred, pixel_size=2.5, unit="nm")
    start, end, curve = ax.lines
    assert start.get_ydata()[0] == pytest.approx(fraction)
    assert end.get_ydata()[0] == pytest.approx(fraction**2)
    np.testing.assert_allclose(curve.get_ydata(), radial_average(f, centred=centred))
    reach = min((n for n in shape if n > 1), default=1) // 2  # a side of one pixel has no shifts, and sets no limit
    assert list(curve.get_xdata()) == [2.5 * r for r in range(reach + 1)]
    assert (ax.get_title(), ax.get_xlabel()) == ("title", "distance (nm)")
    assert ax.get_xlim()[0] == ax.get_ylim()[0] == 0
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [f"φ = {fraction:.3g}", f"φ² = {fraction**2:.3g}"]
    assert start.get_color() != end.get_color() != curve.get_color()


def test_draw_radial_of_nothing():
    ax = axes()
    plotting.draw_radial(ax, torch.zeros(4, 4).requires_grad_())
    assert ax.get_xlabel() == "distance (px)"
    assert ax.get_ylim()[1] > 0


def test_shifts_without_pairs_stay_blank():
    mask = torch.zeros(9, 8)
    mask[:4, :4] = 1
    f = autocorrelation(three()[0, 0, :9, :8], mask=mask)
    assert f.isnan().any()
    ax = axes()
    plotting.draw_statistics(ax, f)
    assert drawn(ax).mask.sum() == f.isnan().sum()
    ax = axes()
    plotting.draw_radial(ax, f)
    assert ax.lines[-1].get_ydata()[0] == f[0, 0]
    plotting.show_summary(three()[0, 0, :9, :8], f).draw_without_rendering()


def test_show_summary():
    m = three()[0, 0]
    left, middle, right, bar = plotting.show_summary(m, autocorrelation(m), "title", pixel_size=2, unit="nm").axes
    assert np.array_equal(drawn(left), m)
    assert left.get_title() == "title"
    np.testing.assert_allclose(drawn(middle), autocorrelation(m, centred=True))
    assert list(right.lines[-1].get_xdata()) == [2 * r for r in range(17)]
    assert (middle.get_xlabel(), right.get_xlabel()) == ("shift along width (nm)", "distance (nm)")
    assert bar.get_ylabel() == "probability f(r)"


def test_show_pairs():
    originals = three()
    made = canonical_form(originals)
    axes = np.array(plotting.show_pairs(originals, made).axes).reshape(4, 3)
    for i in range(3):
        assert np.array_equal(drawn(axes[0, i]), originals[i, 0])
        assert np.array_equal(drawn(axes[2, i]), made[i, 0])
        np.testing.assert_allclose(drawn(axes[1, i]), autocorrelation(originals[i, 0], centred=True))
        np.testing.assert_allclose(drawn(axes[3, i]), drawn(axes[1, i]), atol=1e-6)
        assert axes[1, i].images[0].get_clim() == axes[3, i].images[0].get_clim()
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["original", "its statistics", "reconstruction", "its statistics"]


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plotting.show_images([[0.0]]), TypeError, "as a torch tensor, got a list"),
        (lambda: plotting.show_images(torch.full((4, 4), 255.0)), ValueError, r"values in \[0, 1\], got values in"),
        (
            lambda: plotting.draw_statistics(axes(), torch.zeros(1, 4, 4)),
            ValueError,
            r"of one image, shape \(height, width\)",
        ),
        (
            lambda: plotting.draw_radial(axes(), torch.zeros(1, 4, 4)),
            ValueError,
            r"of one image, shape \(height, width\)",
        ),
        (lambda: plotting.draw_radial(axes(), torch.zeros(4)), ValueError, "axes"),
        (lambda: plotting.draw_statistics(axes(), torch.full((4, 4), torch.inf)), ValueError, "finite values in"),
        (lambda: plotting.draw_statistics(axes(), [[0.0]]), TypeError, "statistics as a torch tensor, got a list"),
        (
            lambda: plotting.draw_radial(axes(), torch.zeros(4, 4), pixel_size=0),
            ValueError,
            "pixel_size as a finite number above 0, got 0",
        ),
        (lambda: plotting.draw_radial(axes(), torch.zeros(4, 4), pixel_size=torch.inf), ValueError, "above 0, got inf"),
        (lambda: plotting.show_summary(three()[0], three()[0]), ValueError, "the statistics of one image, shape"),
        (lambda: plotting.show_summary(three(), three()[0]), ValueError, "the image and its statistics of the same"),
        (lambda: plotting.show_images(three(), ["a"]), ValueError, "one title for each of 3 images, got 1"),
        (lambda: plotting.show_images(three(), list("abcd")), ValueError, "one title for each of 3 images, got 4"),
        (lambda: plotting.show_images(three(), "abc"), TypeError, "expected titles as a list, got 'abc'"),
        (lambda: plotting.show_images(three(), [0, 1, 2]), TypeError, r"expected titles\[0\] as text, got 0"),
        (lambda: plotting.show_images(three(), columns=0), ValueError, "expected columns of at least 1, got 0"),
        (lambda: plotting.show_images(three(), columns=1.5), TypeError, "expected columns as a whole number, got 1.5"),
        (lambda: plotting.show_images(three(), side=0), ValueError, "expected side as a finite number above 0, got 0"),
        (
            lambda: plotting.show_pairs(three()[0], three()[0]),
            ValueError,
            r"images of shape \(n, 1, height, width\), got",
        ),
        (lambda: plotting.draw_image(None, three()), TypeError, "expected ax as an Axes, got None"),
        (
            lambda: plotting.draw_image(Figure().add_subplot(), three()),
            ValueError,
            r"expected one image, shape \(height, width\), got",
        ),
        (
            lambda: plotting.draw_image(Figure().add_subplot(), 255 * torch.eye(4)),  # would be drawn all black
            ValueError,
            r"with values in \[0, 1\], got values in \[0, 255\]",
        ),
        (lambda: plotting.show_error_distributions({}), TypeError, "expected evaluations by name, at least one, as"),
        (
            lambda: plotting.show_error_distributions({"a": 1}),
            TypeError,
            r"expected evaluations\['a'\] as an Evaluation, got 1",
        ),
        (lambda: plotting.show_logs({}), TypeError, "expected logs by name, at least one"),
        (lambda: plotting.show_logs({"a": {}}), ValueError, r"logs\['a'\] with a column images, as read_log gives it"),
        (
            lambda: plotting.show_logs({"a": {"step": [1, 2], "validation_statistics_error": [0.1]}}, against="step"),
            ValueError,
            r"as many numbers in each column of logs\['a'\], got columns of shapes",
        ),
        (
            lambda: plotting.show_logs({"a": {"images": ["many"], "validation_statistics_error": [0.1]}}),
            TypeError,
            r"the column images of logs\['a'\] as an array of real numbers",
        ),
        (
            lambda: plotting.show_logs({"a": {}}, against="hours"),
            ValueError,
            "expected against to be 'images', 'step' or",
        ),
        (
            lambda: plotting.show_sweep({"a": []}, {"kl": "KL"}),
            ValueError,
            r"a column choice in sweeps\['a'\], got \[\]",
        ),
        (lambda: plotting.show_sweep({"a": [{"choice": 1}]}, {"kl": "KL"}), ValueError, "rows with a column kl in swe"),
        (
            lambda: plotting.show_sweep({"a": [{"choice": "warm", "kl": 1}]}, {"kl": "KL"}),
            ValueError,
            r"expected choice of sweeps\['a'\] as a number, got 'warm'",
        ),
        (lambda: plotting.show_sweep({"a": [{"choice": 1}]}, {}), TypeError, "expected measures by name, at least one"),
        (lambda: plotting.show_pairs(three(), three()[:2]), ValueError, "the originals and the reconstructions of the"),
    ],
)
def test_bad_input(draw, error, message):
    before = plt.get_fignums()
    with pytest.raises(error, match=message):
        draw()
    assert plt.get_fignums() == before  # no empty figure is left, which a notebook would show


# --- runs -------------------------------------------------------------------------------------------------------------
def an_evaluation(make, count=(1, 4)):
    sample = LineImages(count=count, size=32).sample(30)
    return evaluate_reconstructions(make(sample.images), sample)


def counted(ax):
    """How many images each histogram holds: the area under its steps, in bins."""
    totals = []
    for patch in ax.patches:
        height = patch.get_xy()[:, 1]
        totals.append(height[1:-1:2].sum())
    return totals


@pytest.mark.parametrize("count", [(1, 4), (3, 6)])
def test_show_error_distributions(count):
    evaluations = {
        "perfect": an_evaluation(lambda x: x, count),
        "shuffled": an_evaluation(lambda x: x.roll(1, 0), count),
        "full": an_evaluation(torch.ones_like, count),  # volume-fraction differences far above 40 %
    }
    left, right = plotting.show_error_distributions(evaluations).axes
    assert counted(left) == counted(right) == [30, 30, 30]
    assert left.get_xscale() == "log"
    legend = [text.get_text() for text in left.get_legend().get_texts()]
    assert legend == ["perfect", "shuffled", "full", "paper, mean"]
    assert left.lines[0].get_xdata()[0] == (2.91e-5 if count == (1, 4) else 6.31e-5)
    assert len(right.lines) == (1 if count == (1, 4) else 0)  # the paper gives no such number for the harder set


def test_show_error_distributions_of_nothing_but_perfect_images():
    left, right = plotting.show_error_distributions({"perfect": an_evaluation(lambda x: x)}).axes
    assert counted(left) == counted(right) == [30]


@pytest.mark.parametrize("against", ["images", "step", "seconds"])
def test_show_logs(against):
    log = {"images": [64, 128], "step": [1, 2], "seconds": [0.5, 1], "validation_statistics_error": [1e-3, 1e-4]}
    other = log | {"validation_statistics_error": [2e-3, 2e-4]}
    (ax,) = plotting.show_logs({"a": log, "b": other}, against=against, paper=2.91e-5).axes
    first, second, paper = ax.lines
    assert list(first.get_xdata()) == log[against]
    assert list(first.get_ydata()) == [1e-3, 1e-4]
    assert list(second.get_ydata()) == [2e-3, 2e-4]
    assert paper.get_ydata()[0] == 2.91e-5
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "paper"]


def test_a_seventh_curve_is_drawn_as_well():
    log = {"images": [64], "step": [1], "seconds": [0.5], "validation_statistics_error": [1e-3]}
    names = list("abcdefg")
    (ax,) = plotting.show_logs(dict.fromkeys(names, log)).axes
    assert len(ax.lines) == 7
    left, _ = plotting.show_error_distributions(dict.fromkeys(names, an_evaluation(lambda x: x.roll(1, 0)))).axes
    assert counted(left) == [30] * 7
    row = dict.fromkeys(names, 1.0) | {"choice": "1", "seed": 0}
    panels = plotting.show_sweep({"beta": [row]}, {name: name for name in names}).axes
    assert all(panel.lines for panel in panels)


def test_show_sweep():
    rows = [
        {"choice": choice, "seed": seed, "kl": seed + float(choice), "statistics_error_mean": (1 + seed) * 1e-6}
        for choice in ("10", "1", "0.1")
        for seed in (0, 1, 2)
    ]
    figure = plotting.show_sweep({"beta": rows, "alpha": rows}, {"kl": "KL (nats)", "statistics_error_mean": "error"})
    assert len(figure.axes) == 4
    kl, error = figure.axes[:2]
    assert list(kl.lines[0].get_xdata()) == [0.1, 1, 10]
    assert list(kl.lines[0].get_ydata()) == pytest.approx([1.1, 2, 11])
    band = kl.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == pytest.approx((0.1, 12))
    assert (kl.get_xlabel(), kl.get_ylabel(), kl.get_xscale()) == ("beta", "KL (nats)", "log")
    assert (kl.get_yscale(), error.get_yscale()) == ("linear", "log")


def test_figures_can_be_saved(tmp_path):
    for i, figure in enumerate(
        (
            plotting.show_images(three()),
            plotting.show_pairs(three(), three()),
            plotting.show_summary(three()[0, 0], autocorrelation(three()[0, 0])),
            plotting.show_error_distributions({"a": an_evaluation(lambda x: x.roll(1, 0))}),
        )
    ):
        figure.savefig(tmp_path / f"{i}.png")
        assert plt.imread(tmp_path / f"{i}.png").std() > 0.01


# --- what was read of a micrograph ------------------------------------------------------------------------------------
def test_show_micrograph():
    grey = np.where(np.random.default_rng(0).random((30, 40)) < 0.3, 200, 60)
    found = read_micrograph(grey, mask="25:,:", spacing=(2.0, 0.5), unit="nm", threshold=99)
    figure = plotting.show_micrograph(found)
    left, middle, right = figure.axes
    assert left.images[0].get_extent() == [0, 20, 60, 0]  # pixels need not be square
    assert left.get_xlabel() == right.get_xlabel() == "5 nm"
    (bar,) = left.patches
    assert bar.get_width() * 20 == pytest.approx(5)
    shown = drawn(left)
    assert np.array_equal(shown[:25, :, 0], grey[:25] == 200)
    assert set(np.unique(shown[25:])) == {0.6, 1.0}  # striped
    colours = np.array([to_rgb(colour) for colour in plotting.COLOURS])
    assert np.array_equal(drawn(right)[:25], colours[(grey[:25] == 200).astype(int)])
    assert sum(patch.get_height() for patch in middle.patches) == 1000  # known pixels
    assert middle.lines[0].get_xdata()[0] == 99
    share = (grey[:25] == 200).mean()
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        f"phase 0: {1 - share:.3f}", f"phase 1: {share:.3f}",
    ]  # fmt: skip
    figure.draw_without_rendering()


def test_show_micrograph_of_a_volume_and_of_labels():
    volume = np.random.default_rng(0).integers(0, 3, (4, 6, 8))
    figure = plotting.show_micrograph(read_micrograph(volume, labels=True, spacing=(3, 2, 1), unit="µm"))
    first, second, third, histogram, *_ = figure.axes
    assert [ax.images[0].get_extent() for ax in (first, second, third)] == [
        [0, 8, 12, 0],
        [0, 8, 12, 0],
        [0, 12, 12, 0],
    ]
    for ax, seen in zip((first, second, third), (volume[2], volume[:, 3], volume[:, :, 4])):
        assert np.array_equal(drawn(ax)[..., 0], seen / 2)
    assert [bar.get_height() for bar in histogram.patches] == pytest.approx([(volume == k).mean() for k in range(3)])
    many = plotting.show_micrograph(read_micrograph(np.arange(100).reshape(10, 10) // 10, labels=True))
    assert len(np.unique(drawn(many.axes[2]).reshape(-1, 3), axis=0)) == 10
    figure.draw_without_rendering()
    holes = np.random.default_rng(0).random((5, 5))
    holes[0, 0] = np.nan
    assert np.isfinite(drawn(plotting.show_micrograph(read_micrograph(holes)).axes[0])).all()
    assert len(plotting.show_micrograph(read_micrograph(np.eye(4, dtype=bool))).axes[1].patches) == 2  # bars
    large = plotting.show_micrograph(read_micrograph(np.tile(np.eye(2), (1, 600)), spacing=3)).axes[0]
    assert drawn(large).shape == (1, 600, 3)  # every second pixel
    assert large.images[0].get_extent() == [0, 3600, 6, 0]
    with pytest.raises(TypeError, match="expected micrograph as a Micrograph, got"):
        plotting.show_micrograph(holes)
