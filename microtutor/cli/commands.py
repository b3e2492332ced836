"""The commands for networks and the book. Each refuses what it can before any work, and writes before it speaks."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from microtutor.cli.beforehand import (
    check_fits,
    check_folder,
    check_preset,
    check_run,
    check_sizes,
    fewest_and_most,
    on_images,
    replace_or_rename,
    source_of,
)
from microtutor.cli.group import app
from microtutor.cli.options import (
    Dark,
    Device,
    Images,
    Overwrite,
    OwnImages,
    Record,
    Scheduler,
    Seed,
    Threshold,
    Workers,
    number,
    parse_settings,
    path,
    positive,
)
from microtutor.files import check_outputs, replacing, write_csv

if TYPE_CHECKING:  # the others are imported where they are used: a command that is refused should not wait for PyTorch
    from microtutor.models import VAE
    from microtutor.training import TrainingConfig

IMAGES_OF_LATENTS = 500  # that latents are measured on, and that are drawn, after a training


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="classroom, laptop, gpu, rock or paper")],
    output: Annotated[Path, typer.Option(help="folder for weights, log and checkpoint", parser=path, metavar="FOLDER")],
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in the output folder")] = False,
    seed: Seed = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps; by default the preset's, auto")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a choice of the preset, as name=value; repeatable")
    ] = None,
    images: OwnImages = None,
    threshold: Threshold = None,
    dark: Dark = False,
    label: Annotated[
        int | None, typer.Option(help="the phase of interest, if your pictures are maps of labels", min=0)
    ] = None,
    augment: Annotated[
        bool, typer.Option("--augment", help="turn and flip your pictures: if the material has no direction")
    ] = False,
    held_out: Annotated[
        int, typer.Option(help="held-out images to evaluate on, for each of three seeds", min=1)
    ] = 1000,
    record: Record = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a VAE in statistics space, and evaluate it on held-out images.

    A folder that holds a run is left alone unless you type --resume. --overwrite is for the file of --record.

    With --images the size is 128 if that fits your pictures, else 64, but not above the preset's. The steps are the
    preset's, but at most 2000 if fewer than 500 crops that share no pixel are for training, 4000 if fewer than 5000.
    --set chooses otherwise.

    For example: microtutor train classroom --output runs/classroom --set loss=data

    On pictures of your own: microtutor train rock --images my-folder --output runs/mine
    """
    from microtutor.environment import current_commit
    from microtutor.evaluation import evaluate_on_seeds
    from microtutor.records import write_record
    from microtutor.training import PRESETS, TrainingConfig
    from microtutor.training import train as run

    base = PRESETS[check_preset(preset, PRESETS)]
    changes = {"seed": seed} | ({} if device is None else {"device": device})
    changes |= parse_settings(set_ or [], TrainingConfig)
    typed = {"threshold": threshold, "dark": dark or None, "label": label, "augment": augment or None}
    config, said = _changed(base, changes, images, {k: value for k, value in typed.items() if value is not None})
    check_sizes(config, held_out)
    first = not int(os.environ.get("RANK", 0))
    if first:  # of several processes, one writes and measures
        check_run(output, resume, config.initial_weights, record, overwrite)
        if said:
            typer.echo(said, err=True)
    commit = current_commit()
    vae = run(config, output, resume=resume)
    if not first:
        return
    evaluations = evaluate_on_seeds(vae, config.source(), held_out)
    if record is not None:
        measured: dict[str, Any] = {"config": config, "vae": vae, "run_folder": output, "evaluations": evaluations}
        write_record(record, command=_command(), commit=commit, **measured)
    typer.echo(f"{evaluations[0].table()}\n\n{_latents(vae, config)}")


def _changed(
    base: TrainingConfig, changes: dict[str, Any], images: Path | None, reading: dict[str, Any]
) -> tuple[TrainingConfig, str]:
    """A preset with what was typed, and what there is to say of it beforehand."""
    if images is not None:
        base = base.replace(material="images", folder=str(images.absolute()))
        return on_images(base.replace(**reading | changes), images, changes)
    if reading:
        raise ValueError(f"expected --images beside --{next(iter(reading))}, got it alone; say where your images are")
    return base.replace(**changes), ""


def _latents(vae: VAE, config: TrainingConfig) -> str:
    """What the latents of a trained network are like, and what comes of drawing them, in lines to print."""
    from microtutor.evaluation import latent_summary, valid_lines

    images = config.source().sample(max(IMAGES_OF_LATENTS, 2 * vae.latent_dim)).images
    said = latent_summary(vae, images).table()
    if config.material != "lines":
        return said
    valid = valid_lines(vae.sample(IMAGES_OF_LATENTS), config.count).float().mean().item()
    return f"{said}\n{'valid line images out of draws from N(0, 1)':44}{valid:>8.1%}"


@app.command()
def evaluate(
    weights: Annotated[str, typer.Argument(help="shipped weights (lines-1-4, ...), a folder, or a hub id")],
    count: Annotated[
        str | None, typer.Option(help="of lines: fewest and most in an image, as 1-4 or 3-6; by default those it saw")
    ] = None,
    material: Annotated[
        str | None,
        typer.Option(help="lines, berea or ketton, whose file is fetched at first use; by default what it saw"),
    ] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="measure on a material that it did not see")] = False,
    images: Images = 1000,
    seed: Seed = 0,
    refine: Annotated[
        int,
        typer.Option(help="steps on the latents before an image is decoded, towards its statistics", min=0, max=10**6),
    ] = 0,
    device: Device = "auto",
) -> None:
    """Measure trained weights on held-out images: of lines, beside the paper's numbers, of rock, or of your own.

    A run on pictures of your own is measured on those that were held out from its training. The number of images is
    --images here; `train`, where --images names your pictures, calls it --held-out.

    For example: microtutor evaluate lines-1-4 --images 100 --refine 50
    """
    from microtutor.checks import check_choice
    from microtutor.environment import find_device
    from microtutor.evaluation import evaluate_on
    from microtutor.models import VAE

    fewest_and_most(count)
    if material is not None:
        check_choice(material, ("lines", "berea", "ketton"), name="--material")
    vae = VAE.from_pretrained(weights, device=find_device(device))
    source = source_of(weights, vae.size, material, count, unseen=unseen)
    check_fits(images, source.size**2, "--images")
    typer.echo(evaluate_on(vae, source, images, seed, steps=refine).table())


@app.command()
def design(
    weights: Annotated[str, typer.Argument(help="shipped weights (berea, lines-1-4, ...), a folder, or a hub id")],
    output: Annotated[Path, typer.Option(help="folder for pictures and table", parser=path, metavar="FOLDER")],
    conductivity: Annotated[
        float | None, typer.Option(help="wanted: the mean of K_xx and K_yy", parser=number, metavar="NUMBER")
    ] = None,
    anisotropy: Annotated[
        float | None, typer.Option(help="wanted instead: K_xx over K_yy", parser=number, metavar="NUMBER")
    ] = None,
    contrast: Annotated[
        float, typer.Option(help="what the phase conducts, the matrix 1", parser=positive, metavar="NUMBER")
    ] = 10.0,  # type: ignore[assignment]
    number_: Annotated[int, typer.Option("--number", help="structures to make", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="most solves for each structure", min=1, max=10**9)] = 40,
    tolerance: Annotated[
        float, typer.Option(help="relative error that is good enough", parser=positive, metavar="NUMBER")
    ] = 2e-3,  # type: ignore[assignment]
    overwrite: Overwrite = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Find different structures with a wanted conductivity, or a wanted anisotropy of it, among those of a network.

    The pictures and designs.csv go into the folder. If no search hits, the nearest structures are written, and the
    command ends with the exit code 1.

    For example: microtutor design berea --conductivity 1.8 --contrast 10 --number 5 --output my-design
    """
    from PIL import Image as Picture

    from microtutor.design import design as search
    from microtutor.environment import find_device
    from microtutor.models import VAE

    if (conductivity is None) == (anisotropy is None):
        raise ValueError("expected either --conductivity or --anisotropy, got both or none; type one of them")
    check_folder(output)
    place = find_device(device)
    check_fits(number_, 1, "--number")
    pictures = [output / f"structure-{i + 1}.png" for i in range(number_)]
    table = output / "designs.csv"
    for file in (table, *pictures):
        check_outputs({"--output": file}, overwrite=overwrite, advice=replace_or_rename("--output"))
    vae = VAE.from_pretrained(weights, device=place)
    check_fits(number_, vae.size**2, "--number")
    target, wanted = (conductivity, "conductivity") if anisotropy is None else (anisotropy, "anisotropy")
    choices: dict[str, Any] = {"contrast": contrast, "n": number_, "steps": steps, "tolerance": tolerance, "seed": seed}
    found = search(vae, target, property=wanted, **choices)  # type: ignore[arg-type]
    output.mkdir(parents=True, exist_ok=True)
    for file, made in zip(pictures, found.images[:, 0].mul(255).byte().cpu().numpy(), strict=True):
        with replacing(file, overwrite=overwrite) as temporary:
            Picture.fromarray(made).save(temporary, format="PNG")
    write_csv(table, found.rows())
    typer.echo(found.table())
    if not bool(found.hits.any()):
        raise typer.Exit(1)


@app.command()
def reproduce(
    images: Annotated[int, typer.Option(help="held-out images of each set", min=1)] = 1000,
    seed: Seed = 0,
    train_: Annotated[bool, typer.Option("--train", help="train everything anew first: hours on a CPU")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="with --train: folder for the runs, gone on with if there; by default runs/reproduce",
            parser=path,
            metavar="FOLDER",
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Print the paper's table, with the reference methods and the shipped weights beside it. Takes four minutes.

    For example: microtutor reproduce --train
    """
    from microtutor.environment import find_device
    from microtutor.evaluation import report, table
    from microtutor.models import shipped_weights

    if output is not None and not train_:
        raise ValueError("expected --output beside --train, whose runs it is for, got it alone; add --train")
    output = output or Path("runs/reproduce")
    place = find_device(device)
    check_fits(images, 224**2, "--images")
    if train_:
        check_folder(output)
    for name in shipped_weights() if train_ else []:
        _train_again(name, output, device)
    for data_set in ("1-4 lines", "3-6 lines"):
        rows = report(
            data_set,
            images=images,
            seed=seed,
            refined=100,
            folder=output if train_ else None,
            device=place,
            say=lambda text: typer.echo(f"{text} ...", err=True),
        )
        typer.echo(f"\n{data_set}, {images} held-out images, reconstructions as they come out\n{table(rows)}\n")


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="alpha, beta, latent, ablation, full-size, harder, grey, share or paper")],
    output: Annotated[
        Path | None, typer.Option(help="CSV file; by default runs/NAME.csv", parser=path, metavar="PATH")
    ] = None,
    seeds: Annotated[int, typer.Option(help="runs of each choice", min=1, max=1000)] = 3,
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Train many small models that differ in one choice, and write how good each is. Goes on where it was stopped.

    The CSV file of an experiment is gone on with if it is there; beside it stands a JSON file of the same name.

    For example: microtutor experiment latent --seeds 3
    """
    from microtutor.experiments import run_experiment

    run_experiment(name, output or Path("runs") / f"{name}.csv", seeds=seeds, workers=workers, scheduler=scheduler)


@app.command()
def chapters(
    folder: Annotated[
        Path, typer.Argument(help="folder for the notebooks; made if it is not there", parser=path, metavar="FOLDER")
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="chapters, such as counting_pairs fft_way; by default all", metavar="NAME"),
    ] = None,
) -> None:
    """Put the notebooks of the course into a folder, and say how to open them. No notebook of yours is written over.

    For example: microtutor chapters my-course
    """
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
    if config.initial_weights is not None:
        first = Path(config.initial_weights).name
        _train_again(first, output, device)
        config = config.replace(initial_weights=str(output / first))
    typer.echo(f"{name}: training, as its record says ...", err=True)
    run(config, output / name, resume=True)


def _command() -> str:
    """What to type to repeat this call."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    launcher = f"torchrun --nproc-per-node {processes} -m microtutor.cli" if processes > 1 else "microtutor"
    return f"{launcher} {shlex.join(sys.argv[1:])}"
