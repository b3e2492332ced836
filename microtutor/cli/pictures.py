"""The commands for pictures of your own: their statistics, one by one or as a table, and others that have them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from microtutor.cli.beforehand import check_fits, check_suffix, replace_or_rename
from microtutor.cli.group import app
from microtutor.cli.options import (
    Boundary,
    Crop,
    Dark,
    Device,
    Image,
    Labels,
    Mask,
    MaxShift,
    Overwrite,
    Phases,
    Scheduler,
    Seed,
    Spacing,
    Threshold,
    Thresholds,
    Unit,
    Workers,
    path,
    positive,
)
from microtutor.files import check_outputs, replacing, write_csv, write_json

if TYPE_CHECKING:  # imported where they are used: a command that is refused should not wait for PyTorch
    from torch import Tensor

    from microtutor.microstructures import Micrograph
    from microtutor.statistics import Summary


@app.command()
def statistics(
    image: Image,
    output: Annotated[
        Path | None,
        typer.Option(
            help="where f(r) goes, as .npy or .npz; by default beside the image, as .npy", parser=path, metavar="PATH"
        ),
    ] = None,
    crop: Crop = None,
    mask: Mask = None,
    threshold: Thresholds = None,
    phases: Phases = None,
    labels: Labels = None,
    dark: Dark = False,
    spacing: Spacing = None,
    unit: Unit = None,
    shape: Annotated[
        str | None, typer.Option(help="of a file of bare numbers (.raw), such as 100x512x512", metavar="TEXT")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="of a file of bare numbers: uint8, uint16, >u2, float32, ...", metavar="TEXT")
    ] = None,
    boundary: Boundary = "open",
    max_shift: MaxShift = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="also draw phase, map and radial curve into this .png", parser=path, metavar="PATH"),
    ] = None,
    look: Annotated[
        Path | None,
        typer.Option(help="also draw what was read of the file into this .png", parser=path, metavar="PATH"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure a picture: f(r) as a map and averaged over directions, and a table of what it says, with intervals.

    Beside the map go NAME_radial.csv, NAME_table.csv and NAME_table.json. The map is that of the phase of interest, the
    last one, with zero shift at index 0; with --max-shift, and of volumes, it is a window with zero shift in the
    middle. Of more than two phases each has its table. The border of a picture is open: pairs across it do not count.

    Files that are there already are kept: to write over the results of an earlier call, add --overwrite.

    For example: microtutor statistics micrograph.tif --crop 0:884,: --dark --spacing 0.02 --unit µm --figure map.png
    """
    from microtutor.checks import check_choice
    from microtutor.microstructures import read_micrograph

    check_choice(boundary, ("periodic", "open"), name="--boundary")
    output = output or image.with_name(f"{image.stem}_statistics.npy")
    beside = _beside(output, image, {"--figure": figure, "--look": look}, overwrite)
    choices = {"crop": crop, "mask": mask, "threshold": threshold, "phases": phases, "labels": labels, "dark": dark}
    choices |= {"spacing": spacing, "unit": unit, "shape": _shape(shape), "dtype": dtype}
    picture = read_micrograph(image, **choices)
    _measure(picture, output, beside, {"boundary": boundary, "max_shift": max_shift}, figure, overwrite)
    if look is not None:
        from microtutor.plotting import show_micrograph

        _draw(lambda: show_micrograph(picture), look, overwrite)
    typer.echo(
        f"\n{image}: {' x '.join(map(str, picture.phase.shape))} px; f(r) written to {output}, its radial average to "
        f"{beside['radial.csv']}, the table to {beside['table.csv']} and .json"
    )


def _beside(output: Path, image: Path, drawings: Mapping[str, Path | None], overwrite: bool) -> dict[str, Path]:
    """The files that are written beside the map; all that will be written is looked at before any work."""
    check_suffix(output, ".npy", ".npz")
    beside = {kind: output.with_name(f"{output.stem}_{kind}") for kind in ("radial.csv", "table.csv", "table.json")}
    outputs = {"--output": output, **{f"NAME_{kind}": file for kind, file in beside.items()}}
    for name, drawing in drawings.items():
        if drawing is not None:
            check_suffix(drawing, ".png", what="a figure")
            outputs[name] = drawing
    check_outputs(outputs, {"the image": image}, overwrite=overwrite, advice=replace_or_rename("--output"))
    return beside


def _measure(
    picture: Micrograph,
    output: Path,
    beside: Mapping[str, Path],
    choices: Mapping[str, Any],
    figure: Path | None,
    overwrite: bool,
) -> None:
    """Compute statistics and tables, write them, and print the tables."""
    from microtutor.statistics import autocorrelation, radial_average, summarise

    about: dict[str, Any] = {"mask": picture.mask, "ndim": picture.ndim} | dict(choices)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a picture is too small, the last line of its table says
        tables = {
            name: summarise(phase, spacing=picture.spacing, unit=picture.unit, **about)
            for name, phase in _phases_to_tell(picture).items()
        }
    last = list(tables.values())[-1]
    reach = choices["max_shift"]
    if reach is None and picture.ndim == 3:
        reach = max(1, round(_reading(last, "reach") / max(picture.spacing)))
    about["max_shift"] = reach
    f = autocorrelation(picture.phase, **about)
    centred = reach is not None
    radial = radial_average(f, centred=centred, ndim=picture.ndim, spacing=picture.spacing).numpy()
    _write_statistics(output, beside["radial.csv"], f.numpy(), radial, picture, _reading(last, "volume fraction"))
    write_csv(beside["table.csv"], [{"phase": name} | row for name, table in tables.items() for row in table.rows()])
    write_json(beside["table.json"], _described(picture, tables, choices))
    if figure is not None:
        from microtutor.plotting import show_micrograph, show_summary

        square = len(set(picture.spacing)) == 1
        scale: dict[str, Any] = {"pixel_size": picture.spacing[0], "unit": picture.unit} if square else {}
        shown = min(4 * max(1, round(_reading(last, "reach") / max(picture.spacing))), min(picture.phase.shape) // 2)
        flat = picture.ndim == 2
        _draw(
            lambda: (
                show_summary(picture.phase, f, picture.name, centred=centred, max_shift=shown, **scale)
                if flat
                else show_micrograph(picture)
            ),
            figure,
            overwrite,
        )
    for note in picture.notes:
        typer.echo(f"note: {note}")
    for name, table in tables.items():
        typer.echo(f"\n{name}\n{table.table()}" if len(tables) > 1 else f"\n{table.table()}")


def _phases_to_tell(picture: Micrograph) -> dict[str, Tensor]:
    """The phase of interest, or of three phases and more each."""
    if len(picture.phases) == 2:
        return {"phase of interest": picture.phase}
    if picture.phase_names:
        names = [f"phase {name}" for name in picture.phase_names]
    elif picture.labels:
        names = [f"phase {label:g}" for label in picture.labels]
    else:
        names = [f"phase {k + 1} of {len(picture.phases)}, from dark" for k in range(len(picture.phases))]
    return dict(zip(names, picture.phases, strict=True))


def _reading(table: Summary, name: str) -> float:
    return next(one.value for one in table.readings if one.name == name)


def _write_statistics(output: Path, curve: Path, f: Any, radial: Any, picture: Micrograph, fraction: float) -> None:
    """Write the map, with all the rest of it if it is an archive, and the radial curve in the user's unit."""
    import numpy as np

    pixel = max(picture.spacing)
    radius = [pixel * k for k in range(len(radial))]
    with replacing(output) as temporary, open(temporary, "wb") as file:
        if output.suffix.lower() == ".npy":
            np.save(file, f)
        else:
            more = {"volume_fraction": np.float32(fraction), "spacing": picture.spacing, "unit": picture.unit}
            np.savez(file, f=f, radius=np.asarray(radius), radial=radial, **more)
    rows = [{f"radius_{picture.unit}": round(r, 12), "f": float(value)} for r, value in zip(radius, radial)]
    write_csv(curve, rows)


def _described(picture: Micrograph, tables: Mapping[str, Summary], choices: Mapping[str, Any]) -> dict[str, Any]:
    """The tables as they go into a JSON file, with all that was chosen."""

    def known(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {
        "picture": picture.name,
        "pixels": list(picture.phase.shape),
        "spacing": list(picture.spacing),
        "unit": picture.unit,
        "known": picture.known,
        "thresholds": list(picture.thresholds),
        "labels": list(picture.labels),
        "notes": list(picture.notes),
        **choices,
        "tables": {name: table.as_dict() for name, table in tables.items()},
        "representativity": {
            name: {k: known(v) for k, v in asdict(table.representativity).items()} for name, table in tables.items()
        },
    }


def _draw(figure: Callable[[], Any], file: Path, overwrite: bool) -> None:
    with replacing(file, overwrite=overwrite) as temporary:
        figure().savefig(temporary, dpi=120, format="png")


def _shape(text: str | None) -> tuple[int, ...] | None:
    """As (100, 512, 512) from 100x512x512."""
    if text is None:
        return None
    sides = text.lower().replace(",", "x").split("x")
    if not all(side.strip().isdecimal() for side in sides):
        raise ValueError(f"expected --shape as sides in voxels, such as 100x512x512, got {text!r}")
    return tuple(int(side) for side in sides)


@app.command()
def table(
    folder: Annotated[Path, typer.Argument(help="folder of pictures", parser=path, metavar="FOLDER")],
    output: Annotated[Path, typer.Option(help="the table, as .csv", parser=path, metavar="PATH")],
    crop: Crop = None,
    mask: Mask = None,
    threshold: Thresholds = None,
    phases: Phases = None,
    labels: Labels = None,
    dark: Dark = False,
    spacing: Spacing = None,
    unit: Unit = None,
    boundary: Boundary = "open",
    max_shift: MaxShift = None,
    weights: Annotated[
        str | None, typer.Option(help="also latents, of the middle of each picture: shipped weights, or a folder")
    ] = None,
    contrast: Annotated[
        float | None,
        typer.Option(
            help="also conductivities: what the phase conducts, all else 1", parser=positive, metavar="NUMBER"
        ),
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure all pictures of a folder: one table, a row for each, statistics with intervals, properties, latents.

    A picture that cannot be read is left out; NAME_refused.csv says which, and why. A table that was interrupted goes
    on where it stopped when you type the same again.

    For example: microtutor table my-folder --output table.csv --dark --contrast 10 --workers 2
    """
    from microtutor.checks import check_choice
    from microtutor.tables import picture_table

    check_choice(boundary, ("periodic", "open"), name="--boundary")
    check_suffix(output, ".csv")
    choices = {"crop": crop, "mask": mask, "threshold": threshold, "phases": phases, "labels": labels, "dark": dark}
    choices |= {"spacing": spacing, "unit": unit, "boundary": boundary, "max_shift": max_shift}
    choices |= {"weights": weights, "contrast": contrast, "workers": workers, "scheduler": scheduler}
    done = picture_table(folder, output, overwrite=overwrite, **choices)
    for name, why in done.refused.items():
        typer.echo(f"left out: {name}: {why}", err=True)
    typer.echo(f"{len(done.rows)} pictures measured, {len(done.refused)} left out; the table is in {output}")


@app.command()
def reconstruct(
    image: Image,
    output: Annotated[Path, typer.Option(help="where the new image goes, as .png", parser=path, metavar="PATH")],
    crop: Crop = None,
    threshold: Threshold = None,
    labels: Labels = None,
    dark: Dark = False,
    boundary: Boundary = "periodic",
    number: Annotated[
        int,
        typer.Option(help="images to make; with 3, made.png becomes made-1.png to made-3.png", min=1),
    ] = 1,
    binary: Annotated[bool, typer.Option("--binary", help="black and white only")] = False,
    steps: Annotated[int, typer.Option(help="most steps of gradient descent", min=1, max=10**9)] = 600,
    tolerance: Annotated[
        float,
        typer.Option(help="statistics error at which an image is good enough", parser=positive, metavar="NUMBER"),
    ] = 1e-10,  # type: ignore[assignment]
    overwrite: Overwrite = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Make other images with the two-point statistics of a given one.

    Files that are there already are kept: to write over the results of an earlier call, add --overwrite.

    For example: microtutor reconstruct micrograph.png --output made.png --number 3 --binary
    """
    from PIL import Image as Picture

    from microtutor.checks import check_choice
    from microtutor.environment import find_device
    from microtutor.microstructures import read_micrograph
    from microtutor.reconstruction import reconstruct as search
    from microtutor.statistics import autocorrelation

    check_suffix(output, ".png")
    check_choice(boundary, ("periodic", "open"), name="--boundary")
    place = find_device(device)
    check_fits(number, 1, "--number")
    made_as = _made_as(output, number, image, overwrite)
    reading: dict[str, Any] = {"crop": crop, "threshold": threshold, "labels": labels, "dark": dark}
    picture = read_micrograph(image, **reading)
    if picture.ndim != 2 or picture.mask is not None:
        got = "a volume" if picture.ndim != 2 else f"{1 - picture.known:.1%} of it without"
        raise ValueError(f"expected a picture with a value at every pixel, got {got}; take a part of it with --crop")
    m = picture.phase.to(place)
    check_fits(number, m.numel(), "--number")
    choices: dict[str, Any] = {"boundary": boundary, "steps": steps, "tolerance": tolerance, "binary": binary}
    f = autocorrelation(m, boundary=choices["boundary"])
    found = search(f, realisations=number, seed=seed, progress=True, **choices)
    for file, made in zip(made_as, found, strict=True):
        grey = (1 - made if dark else made).mul(255).round().byte().cpu().numpy()
        with replacing(file, overwrite=overwrite) as temporary:
            Picture.fromarray(grey).save(temporary, format="PNG")
    for file, made in zip(made_as, found, strict=True):
        error = (autocorrelation(made, boundary=choices["boundary"]) - f).square().mean()
        typer.echo(f"{file}: statistics error {error:.2e}")


def _made_as(output: Path, number: int, image: Path, overwrite: bool) -> list[Path]:
    """The files of so many images; none may be there already, unless it is to be replaced."""
    files = [output]
    if number > 1:
        files = [output.with_name(f"{output.stem}-{i + 1}{output.suffix}") for i in range(number)]
    for file in files:
        check_outputs(
            {"--output": file}, {"the image": image}, overwrite=overwrite, advice=replace_or_rename("--output")
        )
    return files
