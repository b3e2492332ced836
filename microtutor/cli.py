"""The `microtutor` command: the road from images to numbers without writing Python."""

from __future__ import annotations

import ast
import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
PresetDevice = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps; by default the preset's, auto")]
Seed = Annotated[int, typer.Option(help="chooses the random numbers")]


@app.callback()
def settings() -> None:
    # Of PyTorch's threads on Linux, before it is imported: one that waits spins for a moment only. By default it spins
    # on, and beside another busy program training takes three to five times as long (benchmarks/threads.py).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Answer bad input in one line on the error stream instead of a traceback.

    What a console has no letter for, such as a file name on Windows, is shown as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        typer.echo(f"microtutor: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="classroom, laptop, gpu, rock or paper")],
    output: Annotated[Path, typer.Option(help="folder for weights, log and checkpoint")],
    resume: Annotated[bool, typer.Option(help="go on from the checkpoint in the output folder")] = False,
    seed: Seed = 0,
    device: PresetDevice = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a choice of the preset, as name=value; repeatable")
    ] = None,
    images: Annotated[int, typer.Option(help="held-out images to evaluate on, for each of three seeds")] = 1000,
    record: Annotated[Path | None, typer.Option(help="also write the run as JSON to this file")] = None,
) -> None:
    """Train a VAE in statistics space, and evaluate it on held-out images.

    For example: microtutor train classroom --output runs/classroom --set loss=data
    """
    with plain_errors():
        from microtutor.records import current_commit, evaluate_on_seeds, write_record
        from microtutor.training import PRESETS
        from microtutor.training import train as run

        if preset not in PRESETS:
            raise ValueError(f"expected a preset out of {', '.join(PRESETS)}, got {preset!r}")
        known = PRESETS[preset].as_dict()
        changes = {"seed": seed} | ({} if device is None else {"device": device}) | _parse(set_ or [], known)
        config = PRESETS[preset].replace(**changes)
        commit = current_commit()
        vae = run(config, output, resume=resume)
        if int(os.environ.get("RANK", 0)):
            return  # of several processes the first one measures
        evaluations = evaluate_on_seeds(vae, config.source(), images)
        typer.echo(evaluations[0].table())
        if record is not None:
            write_record(
                record,
                command=_command(),
                commit=commit,
                config=config,
                vae=vae,
                run_folder=output,
                evaluations=evaluations,
            )


@app.command()
def evaluate(
    weights: Annotated[str, typer.Argument(help="shipped weights (lines-1-4, ...), a folder, or a hub id")],
    count: Annotated[str, typer.Option(help="fewest and most lines, as 1-4 or 3-6")] = "1-4",
    material: Annotated[str, typer.Option(help="lines, berea or ketton; rock fetches its file at first use")] = "lines",
    images: Annotated[int, typer.Option(help="number of held-out images")] = 1000,
    against: Annotated[
        list[str] | None, typer.Option(help="with --record: other weights for the same material; repeatable")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="rock only: measure reference methods and another rock too, as JSON to this file"),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Measure trained weights on held-out images: of lines, beside the paper's numbers, or of rock.

    For example: microtutor evaluate lines-1-4 --images 1000
    """
    with plain_errors():
        from microtutor.environment import find_device
        from microtutor.models import VAE
        from microtutor.records import evaluate_on, other_rock, write_rock_report
        from microtutor.training import TrainingConfig

        low, _, high = count.partition("-")
        if not (low.isdigit() and high.isdigit()):
            raise ValueError(f"expected count as fewest-most, for example 1-4, got {count!r}")
        if record is not None:
            other_rock(material)  # before the work, not after it
        place = find_device(device)
        vae = VAE.from_pretrained(weights, device=place)
        source = TrainingConfig(material=material, count=(int(low), int(high)), size=vae.size).source()
        typer.echo(evaluate_on(vae, source, images, seed).table())
        if record is not None:
            vaes = {name: VAE.from_pretrained(name, device=place) for name in (weights, *(against or ()))}
            write_rock_report(record, command=_command(), vaes=vaes, rock=material, crops=images, seed=seed)


@app.command()
def statistics(
    image: Annotated[Path, typer.Argument(help="a grey or black-and-white image: .png, .tif, .npy")],
    output: Annotated[
        Path | None, typer.Option(help="where f(r) goes, as .npy or .npz; by default beside the image, as .npy")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="grey value that separates the phases; by default Otsu's")
    ] = None,
    dark: Annotated[bool, typer.Option(help="the phase of interest is the dark one")] = False,
    boundary: Annotated[str, typer.Option(help="periodic or open")] = "periodic",
    figure: Annotated[Path | None, typer.Option(help="also draw phase, map and radial curve into this .png")] = None,
) -> None:
    """Compute the two-point autocorrelation of an image, as a map and, as .csv beside it, averaged over directions.

    For example: microtutor statistics micrograph.png --threshold 128 --dark --figure map.png
    """
    with plain_errors():
        import numpy as np

        from microtutor.files import replacing, write_csv
        from microtutor.microstructures import load_phase
        from microtutor.statistics import autocorrelation, radial_average, volume_fraction

        output = output or image.with_name(f"{image.stem}_statistics.npy")
        if output.suffix not in (".npy", ".npz"):
            raise ValueError(f"expected an output file ending in .npy or .npz, got {output}")
        m = load_phase(image, threshold=threshold, dark=dark)
        f = autocorrelation(m, boundary=boundary)  # type: ignore[arg-type]
        fraction, radial = volume_fraction(m).numpy(), radial_average(f).numpy()
        with replacing(output) as temporary, open(temporary, "wb") as file:
            if output.suffix == ".npz":
                np.savez(file, f=f.numpy(), radius=np.arange(len(radial)), radial=radial, volume_fraction=fraction)
            else:
                np.save(file, f.numpy())
        curve = output.with_name(f"{output.stem}_radial.csv")
        write_csv(curve, [{"radius_px": r, "f": f"{value:.8g}"} for r, value in enumerate(radial)])
        typer.echo(
            f"{image}: {m.shape[0]} x {m.shape[1]} px, volume fraction {fraction:.4f}; f(r) written to {output}, "
            f"its radial average to {curve}"
        )
        if figure is not None:
            from microtutor.plotting import show_summary

            with replacing(figure) as temporary:
                show_summary(m, f, image.name).savefig(temporary, dpi=120, format="png")


@app.command()
def reconstruct(
    image: Annotated[Path, typer.Argument(help="the image whose statistics are wanted: .png, .tif, .npy")],
    output: Annotated[Path, typer.Option(help="where the new image goes, as .png")],
    threshold: Annotated[
        float | None, typer.Option(help="grey value that separates the phases; by default Otsu's")
    ] = None,
    dark: Annotated[bool, typer.Option(help="the phase of interest is the dark one")] = False,
    boundary: Annotated[str, typer.Option(help="periodic or open")] = "periodic",
    number: Annotated[int, typer.Option(help="images to make; with 3, twin.png becomes twin-1.png to twin-3.png")] = 1,
    binary: Annotated[bool, typer.Option(help="black and white only")] = False,
    steps: Annotated[int, typer.Option(help="most steps of gradient descent")] = 600,
    tolerance: Annotated[float, typer.Option(help="statistics error at which an image is good enough")] = 1e-10,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Make other images with the two-point statistics of a given one.

    For example: microtutor reconstruct micrograph.png --output twin.png --number 3 --binary
    """
    with plain_errors():
        from PIL import Image

        from microtutor.environment import find_device
        from microtutor.files import replacing
        from microtutor.microstructures import load_phase
        from microtutor.reconstruction import reconstruct as search
        from microtutor.statistics import autocorrelation

        if output.suffix.lower() != ".png":
            raise ValueError(f"expected an output file ending in .png, got {output}")
        m = load_phase(image, threshold=threshold, dark=dark).to(find_device(device))
        choices: dict[str, Any] = {"boundary": boundary, "steps": steps, "tolerance": tolerance, "binary": binary}
        f = autocorrelation(m, boundary=choices["boundary"])
        found = search(f, realisations=number, seed=seed, progress=True, **choices)
        for i, made in enumerate(found, 1):
            path = output.with_name(f"{output.stem}-{i}{output.suffix}") if number > 1 else output
            grey = (1 - made if dark else made).mul(255).round().byte().cpu().numpy()
            with replacing(path) as temporary:
                Image.fromarray(grey).save(temporary, format="PNG")
            error = (autocorrelation(made, boundary=choices["boundary"]) - f).square().mean()
            typer.echo(f"{path}: statistics error {error:.2e}")


@app.command()
def reproduce(
    images: Annotated[int, typer.Option(help="held-out images of each set")] = 1000,
    seed: Seed = 0,
    train_: Annotated[bool, typer.Option("--train", help="train everything anew first: hours on a CPU")] = False,
    output: Annotated[Path, typer.Option(help="with --train: folder for the runs, gone on with if there")] = Path(
        "runs/reproduce"
    ),
    device: Device = "auto",
) -> None:
    """Print the paper's table, with the reference methods and the shipped weights beside it. Takes two minutes.

    For example: microtutor reproduce --train
    """
    with plain_errors():
        from microtutor.environment import find_device
        from microtutor.evaluation import report, table
        from microtutor.models import shipped_weights

        place = find_device(device)
        for name in shipped_weights() if train_ else []:
            _train_again(name, output, device)
        for data_set in ("1-4 lines", "3-6 lines"):
            rows = report(
                data_set,
                images=images,
                seed=seed,
                folder=output if train_ else None,
                device=place,
                say=lambda text: typer.echo(f"{text} ...", err=True),
            )
            typer.echo(f"\n{data_set}, {images} held-out images, reconstructions as they come out\n{table(rows)}\n")


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="alpha, beta, latent, ablation, full-size, harder, grey or paper")],
    output: Annotated[Path | None, typer.Option(help="CSV file; by default results/NAME.csv")] = None,
    seeds: Annotated[int, typer.Option(help="runs of each choice")] = 3,
) -> None:
    """Train many small models that differ in one choice, and write how good each is. Goes on where it was stopped.

    For example: microtutor experiment latent --seeds 3
    """
    with plain_errors():
        from microtutor.experiments import run_experiment

        run_experiment(name, output or Path("results") / f"{name}.csv", seeds=seeds)


@app.command()
def chapters(
    folder: Annotated[Path, typer.Argument(help="folder for the notebooks; made if it is not there")],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="chapters, such as counting_pairs fft_way; by default all", metavar="NAME"),
    ] = None,
) -> None:
    """Put the notebooks of the course into a folder, and say how to open them. No notebook of yours is written over.

    For example: microtutor chapters my-course
    """
    with plain_errors():
        from microtutor.course import how_to_open, place_chapters

        placed = place_chapters(folder, names or ())
        for name in placed.copied:
            typer.echo(folder / name)
        if placed.equal:
            typer.echo(f"already there: {len(placed.equal)} of {sum(map(len, placed))}")
        if placed.kept:
            typer.echo(
                f"kept as they are, for they differ from those of the package: {', '.join(placed.kept)}\n"
                "For a fresh copy, rename yours and type the same again."
            )
        typer.echo(f"\nTo open the notebooks in your browser, type\n\n{indent(how_to_open(folder), '    ')}\n")


@app.command("report-environment")
def report_environment() -> None:
    """Print versions and device: what every question for help should contain."""
    from microtutor.environment import report_environment as report

    report()


def _train_again(name: str, output: Path, device: str) -> None:
    """Train as a recorded run of lines was, after the run it started from; of other material nothing is done."""
    from microtutor.records import recorded_configuration
    from microtutor.training import train as run

    config = recorded_configuration(name).replace(device=device)
    if config.material != "lines":
        return  # the table is of lines
    if config.start is not None:
        first = Path(config.start).name
        _train_again(first, output, device)
        config = config.replace(start=str(output / first))
    typer.echo(f"{name}: training, as its record says ...", err=True)
    run(config, output / name, resume=True)


def _command() -> str:
    """What to type to repeat this call."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    launcher = f"torchrun --nproc-per-node {processes} -m microtutor.cli" if processes > 1 else "microtutor"
    return f"{launcher} {shlex.join(sys.argv[1:])}"


def _parse(settings: list[str], known: dict) -> dict:
    """Turn name=value settings into changes of a configuration."""
    changes = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise ValueError(f"expected --set name=value with a name out of {', '.join(known)}; got {setting!r}")
        try:
            changes[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            changes[name] = text  # a plain word stands for itself
    return changes


if __name__ == "__main__":
    app()
