import pytest
import torch
from hypothesis import given

from microtutor.evaluation import (
    PAPER,
    aligned_data_error,
    count_lines,
    evaluate,
    evaluate_crops,
    evaluate_reconstructions,
    find_vertical,
    valid_lines,
)
from microtutor.microstructures import LineImages, LineSample, Sample
from microtutor.models import VAE
from microtutor.statistics import autocorrelation, canonical_form
from tests.strategies import equivalent_images, phase_images


def sample(n=40, count=(1, 4), size=64, seed=0):
    return LineImages(count=count, size=size).sample(n, seed=seed)


def image_of(*pieces, size=64):
    image = torch.zeros(1, 1, size, size)
    for rows, columns in pieces:
        image[0, 0, rows, columns] = 1
    return image


def pieces_on_the_torus(image):
    """Areas of connected pieces, walked pixel by pixel from neighbour to neighbour."""
    height, width = image.shape
    left, areas = {tuple(place) for place in image.nonzero().tolist()}, []
    while left:
        front, area = [left.pop()], 0
        while front:
            y, x = front.pop()
            area += 1
            for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                neighbour = ((y + step[0]) % height, (x + step[1]) % width)
                if neighbour in left:
                    left.remove(neighbour)
                    front.append(neighbour)
        areas.append(area)
    return areas


# --- against the labels of the generator ------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [(1, 4), (3, 6)])
def test_counts_and_orientations_agree_with_the_labels(count):
    counted, oriented = [], []
    for index in range(4):
        part = LineImages(count=count).sample(500, seed=7, index=index)
        counted.append(count_lines(part.images) == part.count)
        oriented.append(find_vertical(part.images) == part.vertical)
    assert torch.cat(oriented).all()
    assert torch.cat(counted).float().mean() >= 0.985  # the rest are lines that meet across the border


@pytest.mark.parametrize("count", [(1, 4), (3, 6)])
def test_shifts_and_inversion_change_neither(count):
    images = sample(100, count).images
    moved = canonical_form(images.roll((17, -9), (-2, -1)).flip((-2, -1)))
    assert torch.equal(count_lines(moved), count_lines(images))
    assert torch.equal(find_vertical(moved), find_vertical(images))
    assert torch.equal(find_vertical(images.mT), ~find_vertical(images))
    assert torch.equal(count_lines(images.mT), count_lines(images))


# --- counting ---------------------------------------------------------------------------------------------------------
@given(phase_images(side=8))
def test_count_lines_is_a_walk_over_the_torus(image):
    """At this size, every piece is large enough to count."""
    assert count_lines(image[None, None]).tolist() == [len(pieces_on_the_torus(image > 0.5))]


def test_counting_a_batch_is_counting_each():
    images = (torch.rand(20, 1, 32, 32, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    smallest = 100 * 32 * 32 / 224**2
    wanted = [sum(area >= smallest for area in pieces_on_the_torus(image)) for image in images[:, 0]]
    assert count_lines(images).tolist() == wanted
    assert min(wanted) < max(wanted)
    empty = torch.zeros(1, 1, 32, 32)
    assert count_lines(torch.cat([empty, images[:2], empty])).tolist() == [0, *wanted[:2], 0]


def test_pieces_that_meet_across_the_border_are_one():
    halves = (slice(60, 64), slice(5, 9)), (slice(0, 40), slice(5, 9))
    assert count_lines(image_of(*halves)).item() == 1
    assert count_lines(image_of(*halves).mT).item() == 1
    corners = [(rows, columns) for rows in (slice(0, 5), slice(59, 64)) for columns in (slice(0, 5), slice(59, 64))]
    assert count_lines(image_of(*corners)).item() == 1
    assert count_lines(image_of(*corners[::3])).item() == 2  # opposite corners touch at a point only
    assert count_lines(image_of(halves[0], (slice(0, 40), slice(9, 13)))).item() == 2
    assert count_lines(image_of(halves[0], (slice(0, 40), slice(8, 12)))).item() == 1


@pytest.mark.parametrize(("size", "smallest"), [(224, 100), (64, 9), (112, 25)])
def test_smallest_piece(size, smallest):
    for area, wanted in ((smallest - 1, 0), (smallest, 1)):
        image = torch.zeros(size * size)
        image[:area] = 1
        snake = image.reshape(size, size)[None, None]  # along the first row, or rows
        assert count_lines(snake).item() == wanted
        spread = torch.zeros(1, 1, size, size)  # the same area in two pieces
        spread[0, 0, 0, : area // 2] = spread[0, 0, 5, : area - area // 2] = 1
        assert count_lines(spread).item() == 0


def test_threshold():
    line = image_of((slice(5, 45), slice(10, 13)))
    assert count_lines(0.5 * line).item() == 0
    assert count_lines(0.51 * line).item() == 1
    assert count_lines(1 - 0.49 * (1 - line)).item() == 1  # everything is above the threshold: one piece


# --- orientation ------------------------------------------------------------------------------------------------------
@given(phase_images())
def test_find_vertical_reads_the_statistics(image):
    f = autocorrelation(image)
    along_height, along_width = f[:, 0].mean() * image.shape[0], f[0].mean() * image.shape[1]
    if abs(along_height - along_width) > 1e-9:
        assert find_vertical(image[None, None]).item() is bool(along_height > along_width)


def test_grey_lines_have_an_orientation_too():
    part = sample()
    assert torch.equal(find_vertical(0.2 + 0.3 * part.images), part.vertical)


# --- data space -------------------------------------------------------------------------------------------------------
@given(phase_images(side=5))
def test_aligned_data_error_is_the_least_over_all_equivalent_images(a):
    b = a.flatten().sort().values.reshape(a.shape).flip(0)
    wanted = (equivalent_images(a) - b).square().mean((-2, -1)).min()
    torch.testing.assert_close(aligned_data_error(a, b), wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(aligned_data_error(b, a), wanted, rtol=0, atol=1e-12)


def test_aligned_data_error_of_equivalent_images_is_zero():
    images = sample(20, size=224).images
    for equivalent in (
        images.roll((31, -7), (-2, -1)),
        images.roll((100, 3), (-2, -1)).flip((-2, -1)),
        canonical_form(images),
    ):
        assert aligned_data_error(equivalent, images).shape == (20, 1)
        assert aligned_data_error(equivalent, images).max() < 1e-6
    assert aligned_data_error(images.flip(0), images).median() > 0.01


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_aligned_data_error_is_computed_in_full_precision(dtype):
    a, b = 0.7 * sample(20, size=224).images.to(dtype), sample(20, size=224).images.to(dtype)
    torch.testing.assert_close(aligned_data_error(a, b), aligned_data_error(a.float(), b.float()), rtol=0, atol=0)


def test_aligned_data_error_of_different_sizes():
    with pytest.raises(ValueError, match=r"first image and the second of the same shape, got \(2, 2\) and \(2, 3\)"):
        aligned_data_error(torch.zeros(2, 2), torch.zeros(2, 3))


# --- evaluate ---------------------------------------------------------------------------------------------------------
METRICS = (
    "statistics_error_mean",
    "statistics_error_median",
    "thresholded_statistics_error_mean",
    "thresholded_statistics_error_median",
    "data_error_mean",
    "volume_fraction_difference",
)


@pytest.mark.parametrize("make", [lambda x: x, canonical_form, lambda x: x.flip((-2, -1)).roll(5, -1)])
def test_a_perfect_reconstruction(make):
    part = sample(70)
    result = evaluate_reconstructions(make(part.images), part)
    for name in METRICS:
        assert getattr(result, name) == pytest.approx(0, abs=1e-6)
    assert result.orientation_accuracy == 1
    assert result.count_accuracy == (count_lines(part.images) == part.count).float().mean().item() > 0.95
    assert result.valid_share == 1
    assert set(result.faults.values()) == {0}
    assert (result.images, result.size, result.data_set) == (70, 64, "1-4 lines")


def test_every_metric_by_its_definition():
    part, made = sample(30), sample(30, seed=1).images
    made = (0.9 * made + 0.05).clamp(0, 1)
    result = evaluate_reconstructions(made, part)
    binary, phi = (made > 0.5).float(), part.images.mean((1, 2, 3))
    errors = (autocorrelation(made) - autocorrelation(part.images)).square().mean((1, 2, 3))
    errors_of_binary = (autocorrelation(binary) - autocorrelation(part.images)).square().mean((1, 2, 3))
    per_image = {
        "statistics_error": errors,
        "thresholded_statistics_error": errors_of_binary,
        "data_error": aligned_data_error(made, part.images)[:, 0],
        "orientation_right": find_vertical(binary) == part.vertical,
        "count_right": count_lines(binary) == part.count,
        "valid": valid_lines(binary),
        "volume_fraction_difference": (binary.mean((1, 2, 3)) - phi).abs() / phi,
    }
    assert result.per_image.keys() == per_image.keys()
    for name, wanted in per_image.items():
        torch.testing.assert_close(result.per_image[name], wanted, rtol=1e-3, atol=1e-9)
    assert result.statistics_error_mean == pytest.approx(errors.mean().item(), rel=1e-3)
    assert result.statistics_error_median == pytest.approx(errors.median().item(), rel=1e-3)
    assert result.thresholded_statistics_error_mean == pytest.approx(errors_of_binary.mean().item(), rel=1e-3)
    assert result.thresholded_statistics_error_median == pytest.approx(errors_of_binary.median().item(), rel=1e-3)
    assert result.data_error_mean == pytest.approx(per_image["data_error"].mean().item())
    assert result.orientation_accuracy == per_image["orientation_right"].float().mean()
    assert result.count_accuracy == per_image["count_right"].float().mean()
    assert result.valid_share == per_image["valid"].float().mean()
    assert result.volume_fraction_difference == pytest.approx(per_image["volume_fraction_difference"].mean().item())
    assert 0 < result.orientation_accuracy < 1
    assert 0 < result.count_accuracy < 1


def test_greyness_is_an_error_only_before_the_threshold():
    part = sample(10)
    result = evaluate_reconstructions(0.6 * part.images, part)
    assert result.statistics_error_mean > 1e-5
    assert result.thresholded_statistics_error_mean == 0
    assert result.volume_fraction_difference == 0
    assert result.data_error_mean == pytest.approx(0.16 * part.images.mean().item(), rel=1e-4)


def test_evaluate_measures_the_reconstruction_from_the_means():
    vae, part = VAE(size=32, channels=4, latent_dim=3), sample(7, size=32)
    result, wanted = evaluate(vae, part, batch_size=3), evaluate_reconstructions(vae.reconstruct(part.images), part)
    assert vae.training
    for name in (*METRICS, "orientation_accuracy", "count_accuracy", "valid_share"):
        assert getattr(result, name) == pytest.approx(getattr(wanted, name), rel=1e-4)
    assert wanted.seconds_per_image is None
    assert 0 < result.seconds_per_image < 10


def test_refined_reconstructions_have_a_row_of_their_own():
    vae, part = VAE(size=32, channels=4, latent_dim=3), sample(4, size=32)
    encoded, refined = evaluate(vae, part), evaluate(vae, part, steps=5)
    assert refined.steps == 5
    assert "refined (5)" in refined.table()
    assert "refined" not in encoded.table()
    assert (refined.per_image["statistics_error"] <= encoded.per_image["statistics_error"] * 1.0001).all()
    assert refined.statistics_error_mean < encoded.statistics_error_mean


@pytest.mark.parametrize("made", [torch.zeros_like, torch.ones_like])
def test_a_model_that_draws_nothing(made):
    part = sample(30)
    result = evaluate_reconstructions(made(part.images), part)
    assert result.statistics_error_mean > 1e-5
    assert result.count_accuracy <= 0.5
    if made is torch.zeros_like:
        assert result.volume_fraction_difference == 1
        assert result.count_accuracy == 0


# --- the table --------------------------------------------------------------------------------------------------------
def test_table_stands_beside_the_papers_numbers():
    part = sample(8, size=224)
    lines = evaluate_reconstructions(0.6 * part.images, part).table().splitlines()
    assert lines[0] == "8 images, 1-4 lines, 224 px"
    assert lines[1].split() == ["here", "paper"]
    assert lines[-1] == "not valid for dust 0.0%, rough 0.0%, mixed 0.0%, count 0.0%"
    rows = {line[:40].strip(): line[40:].split() for line in lines[2:-1]}
    theirs = {label: paper for label, (_, paper) in rows.items()}
    assert theirs == {
        "statistics error, mean": "2.91e-05",
        "statistics error, median": "1.74e-05",
        "the same, thresholded at 0.5, mean": "-",
        "the same, thresholded at 0.5, median": "-",
        "data-space error after best alignment": "-",
        "orientation right": "98.0%",
        "number of lines right": "63.0%",
        "valid line images": "-",
        "volume-fraction difference": "17.0%",
    }
    assert rows["orientation right"][0] == "100.0%"
    assert rows["the same, thresholded at 0.5, mean"][0] == "0.00e+00"


def test_table_of_the_harder_set():
    part = sample(30, (3, 6))
    table = evaluate_reconstructions(part.images, part).table()
    assert table.startswith("30 images, 3-6 lines, 64 px")
    assert "6.31e-05" in table
    assert "4.56e-05" in table
    assert "63.0%" not in table
    assert table.endswith("(the paper's images have 224 px: compare with care)")


@pytest.mark.parametrize(
    ("drawn", "data_set"),
    [
        ((1, 4), "1-4 lines"),
        ((2, 2), "1-4 lines"),
        ((3, 6), "3-6 lines"),
        ((5, 5), "3-6 lines"),
        ((3, 4), "3-4 lines"),  # may be of either set
        ((1, 6), "1-6 lines"),
        ((0, 3), "0-3 lines"),
        ((4, 9), "4-9 lines"),
    ],
)
def test_other_numbers_of_lines_do_not_stand_beside_the_papers(drawn, data_set):
    part = sample(2, (4, 4))
    part = LineSample(part.images, part.vertical, torch.tensor(drawn))
    table = evaluate_reconstructions(part.images, part).table()
    assert table.startswith(f"2 images, {data_set}, 64 px")
    assert ("paper" in table) is (data_set in PAPER)


def test_numbers_of_the_paper():
    """arXiv 2402.11103, figure 2 and appendix B; figures of its repository for the harder set."""
    assert PAPER["1-4 lines"]["statistics_error_mean"] == 2.91e-5
    assert PAPER["1-4 lines"]["statistics_error_median"] == 1.74e-5
    assert PAPER["1-4 lines"]["orientation_accuracy"] == 0.98
    assert PAPER["1-4 lines"]["count_accuracy"] == 0.63
    assert PAPER["1-4 lines"]["volume_fraction_difference"] == 0.17
    assert PAPER["3-6 lines"] == {"statistics_error_mean": 6.31e-5, "statistics_error_median": 4.56e-5}


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        ([1.0], TypeError, "expected the reconstruction as a torch tensor, got a list"),
        (torch.zeros(5, 1, 64, 64).byte(), TypeError, r"values in \[0, 0\]; divide by 255"),
        (torch.full((5, 1, 64, 64), 255.0), ValueError, r"expected a reconstruction with values in \[0, 1\], got"),
        (torch.full((5, 1, 64, 64), torch.nan), ValueError, "finite values in the reconstruction"),
        (torch.zeros(4, 1, 64, 64), ValueError, r"of the same shape, got \(4, 1, 64, 64\) and \(5, 1, 64, 64\)"),
    ],
)
def test_bad_reconstructions(made, error, message):
    with pytest.raises(error, match=message):
        evaluate_reconstructions(made, sample(5))


def test_images_that_do_not_fit_the_network():
    with pytest.raises(ValueError, match=r"expected images of shape \(batch, 1, 32, 32\), got .*\(2, 1, 64, 64\)"):
        evaluate(VAE(size=32, channels=4), sample(2))


@pytest.mark.parametrize("given", [torch.zeros(5, 1, 32, 32), None, [1], Sample(torch.zeros(5, 1, 32, 32))])
def test_samples_without_labels(given):
    wanted = r"expected sample with images, vertical and count, as LineImages\(...\).* gives it, got .* evaluate_crops"
    with pytest.raises(TypeError, match=wanted):
        evaluate(VAE(size=32, channels=4), given)
    with pytest.raises(TypeError, match=wanted):
        evaluate_reconstructions(torch.zeros(5, 1, 32, 32), given)


def test_labels_of_other_images():
    part = sample(5)
    with pytest.raises(
        ValueError, match=r"one label for each of 5 images, got vertical of shape \(3,\) and count .* \(5,\)"
    ):
        evaluate_reconstructions(part.images, LineSample(part.images, part.vertical[:3], part.count))


@pytest.mark.parametrize("given", ["lines-1-4", None, torch.nn.Identity()])
def test_what_is_no_vae(given):
    for measure, images in ((evaluate, sample(2)), (evaluate_crops, sample(2).images)):
        with pytest.raises(TypeError, match="expected vae as a VAE, got"):
            measure(given, images)


def test_bad_batches():
    for value in (0, -3, 1.5):
        with pytest.raises((TypeError, ValueError), match="expected batch_size"):
            evaluate(VAE(size=64, channels=4), sample(2), batch_size=value)


@pytest.mark.parametrize("a", [torch.zeros(4), torch.zeros(4, 4).long(), torch.full((4, 4), torch.nan)])
def test_what_cannot_be_aligned(a):
    with pytest.raises((TypeError, ValueError), match="expected"):
        aligned_data_error(a, a)


@pytest.mark.parametrize("function", [count_lines, find_vertical])
@pytest.mark.parametrize("value", [torch.zeros(8, 8), torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8)])
def test_images_of_another_shape(function, value):
    with pytest.raises(ValueError, match=r"expected images of shape \(n, 1, height, width\), got a tensor of shape"):
        function(value)


def test_an_image_without_lines_has_no_volume_fraction_to_compare_with():
    part = sample(3)
    empty = LineSample(part.images * torch.tensor([1.0, 0, 1])[:, None, None, None], part.vertical, part.count)
    with pytest.raises(ValueError, match="expected images with a volume fraction above 0, got 1 without it; leave"):
        evaluate_reconstructions(part.images, empty)
