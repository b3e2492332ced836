"""microtutor: learn what a microstructure is from its two-point statistics.

The package has three groups of files; the book's page "How the code is laid out" shows all of them, with links.

The road is the paper's pipeline, in reading order. Each file imports only files above it, and files of the ground:

    microstructures.samples  holds images with their labels, and splits the seeds into training, validation and test
    microstructures.lines    draws the line images of the paper
    statistics.fft           sums products over all pairs of pixels a shift apart, by Fourier transform
    statistics.correlations  turns these sums into two-point statistics, the formula f(r)
    statistics.canonical     moves an image to the one place that all images of equal statistics share
    losses                   measures distances between statistics, with their gradient, and adds up the loss of the VAE
    models.networks          holds the encoders and the decoders
    models.prior             says where in latent space the images lie, as a mixture of Gaussians
    models.weights           saves weights, and looks at them before they are used
    models.refinement        improves latents at test time, by gradient descent through the decoder
    models.vae               joins them into the VAE
    training.config          holds every choice of a run, and the named presets
    training.optimisation    makes the optimiser and its learning rate
    training.finite          finds the first step that made a NaN or an infinite number
    training.interruption    puts off Ctrl-C to the end of a step
    training.checkpoint      stores a run so that it can go on after a stop
    training.log             writes and reads the log of a run
    training.images          draws the images of a run
    training.loop            trains: images in, weights out
    evaluation.validity      tells whether a picture is a line image at all
    evaluation.metrics       computes the paper's metrics of a model
    evaluation.baselines     computes what a model has to beat, such as the nearest training image

Its ground, on which all else stands: `checks`, `files`, `downloads`, `environment`, `streams`.

Beside the road stands what else can be done with statistics and images: textures, real micrographs and pictures of your
own in `microstructures`, more in `statistics`, `reconstruction`, `properties`, more in `evaluation`, and what was
measured, `records` and `experiments`.

For the book there are figures, `plotting` and `widgets`, its notebooks, `course`, and the command, `cli`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microtutor.environment import report_environment

    __version__: str

__all__ = ["__version__", "report_environment"]


def __getattr__(name: str) -> Any:
    """Names that take time, looked up when they are asked for: the command sets torch's threads before its import."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("microtutor")
    if name == "report_environment":
        from microtutor.environment import report_environment

        return report_environment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
