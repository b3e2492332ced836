"""What a training run is: every choice in one place, and the named recipes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from microtutor.checks import check_bool, check_choice, check_count, check_number, check_text, quote
from microtutor.environment import PRECISIONS, device_named
from microtutor.losses import StatisticsLoss, WeightedLoss
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.models.networks import check_network

MATERIALS = ("lines", "berea", "ketton", "images", "own")
CHOICES = {  # of words; those of the network are with it
    "material": MATERIALS,
    "loss": ("statistics", "data"),
    "optimizer": ("adamw", "adam"),
    "schedule": ("one-cycle", "halve"),
    "precision": PRECISIONS,
}


class ImageSource(Protocol):
    """What gives training images: `LineImages`, `RockCrops`, `ImageFolder`, or a class of your own with this method.

    Equal arguments must give equal images; the splits "train", "validation" and "test" must share none.
    The result has `images`, (n, 1, size, size) float in [0, 1].
    """

    def sample(self, n: int, *, seed: int = 0, device: Any = "cpu", split: str = "test", index: int = 0) -> Any:
        """Draw n images of a split; seed and index choose the random stream."""
        ...


@dataclass(frozen=True)
class TrainingConfig:
    """A training run, complete: equal configurations give equal weights on the CPU (with "auto": on one machine).

    The default recipe brings every image to canonical form, warms up in data space (squared pixel error against the
    canonical image, its weight falling linearly from 1 to 0 over the first `data_warm_up` of the steps while the
    statistics loss rises from 0 to 1), and ends on the statistics loss alone. The presets for lines keep half of data
    space to the end (final_data_share=0.5): the pictures are cleaner, at no worse statistics.

    Data:
        material: "lines"; "berea" or "ketton" for crops of a rock (see `RockCrops`); "images" for pictures or a volume
            in files; "own" if `train` gets a source.
        size: side of the images in pixels.
        count: fewest and most lines in a line image; see `LineImages`.
        images: train on this many fixed images; None draws fresh ones at every step.
        canonical: whether images are brought to canonical form (see `canonical_form`), or taken as they are drawn.
        folder, threshold, dark, label, augment: only with material="images": where they are, as text, and how they are
            read; see `images_from`.
    Network:
        latent_dim, encoder, decoder, channels, noise_dim, pretrained, frozen: see `VAE`.
        initial_weights: weights to go on from, as for `VAE.from_pretrained`, of just this network; None for fresh ones.
    Loss:
        loss: what it compares in each image (see `WeightedLoss`): "statistics", or "data" for the pixels, as a plain
            VAE does.
        alpha, amplitude, beta, data: weights of statistics, spectral amplitudes, KL divergence and pixels.
        grey_penalty: weight of grey values, m (1 - m) summed over the pixels; it rises with the statistics loss.
        diversity, max_correlation: only if noise_dim is above 0. Each latent vector is decoded twice, with two draws of
            noise; both images are held to the target, and a larger `aligned_correlation` of the two than
            max_correlation costs something, with the weight diversity, which rises with the statistics loss. Without it
            the decoder learns to ignore its noise.
        data_warm_up: share of the steps over which data space fades into statistics space; 0 for none.
        final_data_share: how much of data space stays after that; 0 for none, as in the default recipe.
        soft_indicator: width of the paper's soft phase indicator; None compares the images as they are.
        normalise: divide statistics by the largest volume fraction of 2,000 training images, as the paper does (it
            uses the largest value of f, which is the same number).
    Optimisation:
        steps: how many steps the run has.
        batch_size: images per step.
        learning_rate: the largest one of the run.
        optimizer: "adamw" (betas 0.9, 0.95) or "adam" (torch's defaults).
        schedule: "one-cycle" (10 % rise, cosine fall) or "halve" (constant, halved for the last tenth).
        clip: largest gradient norm; 0 for no limit.
    Running:
        seed: of the images, the first weights and all noise.
        precision: "no" for float32; "bf16" or "fp16" for a network that computes in 16 bits (never the statistics);
            "auto" for the fastest of them on the device of the run: see `choose_precision`.
        device: "auto", "cpu", "cuda" or "mps"; CUDA_VISIBLE_DEVICES chooses among several GPUs.
        validate_every, checkpoint_every: after how many steps the run is measured on other images, and stored.
        validation_images: how many images it is measured on.

    >>> TrainingConfig(steps=1000).batch_size
    32
    """

    material: str = "lines"
    count: tuple[int, int] = (1, 4)
    size: int = 224
    images: int | None = None
    canonical: bool = True
    folder: str | None = None
    threshold: float | None = None
    dark: bool = False
    label: int | None = None
    augment: bool = False

    latent_dim: int = 9
    encoder: str = "compact"
    decoder: str = "compact"
    channels: int = 64
    noise_dim: int = 0
    pretrained: bool = False
    frozen: bool = False
    initial_weights: str | None = None

    loss: str = "statistics"
    alpha: float = 2000.0
    amplitude: float = 1.0
    beta: float = 1.0
    data: float = 4.0
    data_warm_up: float = 0.6
    final_data_share: float = 0.0
    grey_penalty: float = 0.0
    diversity: float = 300.0
    max_correlation: float = 0.3
    soft_indicator: float | None = None
    normalise: bool = False

    steps: int = 4000
    batch_size: int = 32
    learning_rate: float = 2e-3
    optimizer: str = "adamw"
    schedule: str = "one-cycle"
    clip: float = 10.0

    seed: int = 0
    device: str = "auto"
    precision: str = "no"
    validate_every: int = 200
    validation_images: int = 256
    checkpoint_every: int = 400

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(getattr(self, name), choices, name=name)
        for name in ("steps", "batch_size", "validate_every", "validation_images", "checkpoint_every"):
            check_count(getattr(self, name), name=name)
        check_count(self.seed, name="seed", minimum=0, below=2**32)
        self.lines()  # checks count and size
        self._check_files()
        check_network(**self.network())
        if not (self.initial_weights is None or isinstance(self.initial_weights, str)):
            raise TypeError(
                f"expected initial_weights as a name or a folder, as text, got {quote(self.initial_weights)}"
            )
        if self.images is not None and check_count(self.images, name="images") < self.batch_size:
            raise ValueError(f"expected at least batch_size={self.batch_size} images, got {self.images}")
        for name in ("alpha", "amplitude", "beta", "data", "grey_penalty", "diversity", "clip"):
            check_number(getattr(self, name), name=name, minimum=0)
        for name in ("data_warm_up", "final_data_share", "max_correlation"):
            check_number(getattr(self, name), name=name, minimum=0, maximum=1)
        check_number(self.learning_rate, name="learning_rate", above=0)
        StatisticsLoss(soft_indicator=self.soft_indicator)  # checks it
        check_bool(self.normalise, name="normalise")
        if check_text(self.device, name="device") != "auto":
            device_named(self.device)
        object.__setattr__(self, "count", tuple(self.count))

    def replace(self, **changes: Any) -> TrainingConfig:
        """A copy with some choices changed.

        >>> TrainingConfig().replace(seed=3).seed
        3
        """
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The choices by name, as they are written to a file."""
        return asdict(self) | {"count": list(self.count)}

    def lines(self) -> LineImages:
        """The generator of the line images of this run."""
        return LineImages(count=self.count, size=self.size)

    def source(self) -> ImageSource:
        """What draws the images of this run; the first look at a rock fetches its file, and that at a folder reads it.

        Raises:
            FileNotFoundError: material="images", and the folder is not there.
            ValueError: the material is "own": hand the source to `train`; or it is "images", and the folder does not
                hold what can be learned from, see `images_from`.

        >>> TrainingConfig(size=64).source()
        LineImages(count=(1, 4), size=64)
        """
        if self.material == "lines":
            return self.lines()
        if self.material == "own":
            raise ValueError("expected a source of images for material='own': train(config, folder, source=...)")
        if self.material == "images":
            from microtutor.microstructures.folder import images_from

            return images_from(str(self.folder), self.size, **self._reading())
        from microtutor.microstructures import RockCrops

        return RockCrops(self.material, size=self.size)

    def _reading(self) -> dict[str, Any]:
        """The choices of how files are read."""
        return {name: getattr(self, name) for name in ("threshold", "dark", "label", "augment")}

    def _check_files(self) -> None:
        """Check what is said of files, without a look at them: the run may have been made on another machine."""
        for name in ("dark", "augment"):
            check_bool(getattr(self, name), name=name)
        if self.threshold is not None:
            check_number(self.threshold, name="threshold")
        if self.label is not None:
            check_count(self.label, name="label", minimum=0)
        if self.folder is not None:
            check_text(self.folder, name="folder")
        if self.material == "images" and not self.folder:
            raise ValueError("expected folder, where the images are, with material='images', got none; name it")
        said = {"folder": self.folder} | self._reading()
        others = [name for name, value in said.items() if value is not None and value is not False]
        if others and self.material != "images":
            raise ValueError(f"expected material='images' beside {others[0]}, got {self.material!r}; change either")

    def network(self) -> dict[str, Any]:
        """The choices that a `VAE` takes."""
        names = (
            "latent_dim",
            "encoder",
            "decoder",
            "size",
            "channels",
            "canonical",
            "pretrained",
            "frozen",
            "noise_dim",
        )
        return {name: getattr(self, name) for name in names}

    def model(self) -> VAE:
        """The network, fresh or with the weights of `initial_weights`.

        Raises:
            FileNotFoundError: there are no such weights.
            ValueError: they are of another network.
        """
        wanted = self.network()
        if self.initial_weights is None:
            return VAE(**wanted)
        vae = VAE.from_pretrained(self.initial_weights)
        vae.set_prior(None)  # training moves the latents away from it
        has = vae.config
        other = [f"{name}={has[name]!r}" for name, value in wanted.items() if name in has and has[name] != value]
        if other:
            raise ValueError(
                f"expected initial_weights={self.initial_weights!r} to be the network of this run, but it has "
                f"{', '.join(other)}"
            )
        return vae

    def data_share(self, step: int) -> float:
        """How much of the loss is data space at a step: 1 at first, 0 when the warm-up is over.

        >>> [TrainingConfig(steps=10, data_warm_up=0.5).data_share(step) for step in (0, 2, 5, 9)]
        [1.0, 0.6, 0.0, 0.0]
        """
        if self.loss == "data":
            return 1.0
        data_warm_up = self.data_warm_up * self.steps
        return max(self.final_data_share, 1 - step / data_warm_up if data_warm_up else 0.0)

    def loss_at(self, step: int, *, statistics_scale: float = 1.0) -> WeightedLoss:
        """The weighted loss of a step; statistics are divided by statistics_scale."""
        g = self.data_share(step)
        return WeightedLoss(
            alpha=(1 - g) * self.alpha / statistics_scale**2,
            beta=self.beta,
            amplitude=(1 - g) * self.amplitude,
            data=g * self.data,
            grey_penalty=(1 - g) * self.grey_penalty,
            soft_indicator=self.soft_indicator,
            diversity=(1 - g) * self.diversity if self.noise_dim else 0.0,
            max_correlation=self.max_correlation,
        )


PRESETS = {
    # 64 x 64 pixels, for a lesson: about a minute on two CPU cores
    "classroom": TrainingConfig(size=64, channels=32, steps=2000, final_data_share=0.5, validation_images=500),
    # 224 x 224 pixels, as the paper: about half an hour on one CPU core that has units for bfloat16
    "laptop": TrainingConfig(steps=6000, final_data_share=0.5, precision="auto"),
    # the same network, more images, for a CUDA device
    "gpu": TrainingConfig(
        steps=12_000, batch_size=128, final_data_share=0.5, precision="auto", device="cuda", validate_every=400
    ),
    # crops of Berea sandstone, 128 x 128 pixels: about twenty minutes on one CPU core
    "rock": TrainingConfig(
        material="berea", size=128, latent_dim=32, amplitude=4.0, data_warm_up=0.2, steps=6000, precision="auto"
    ),
    # the paper's recipe: 1500 epochs of 7,000 images, 218 batches of 32 each
    "paper": TrainingConfig(
        images=7000,
        canonical=False,
        encoder="resnet152",
        decoder="paper",
        pretrained=True,
        frozen=True,
        alpha=1.0,
        amplitude=0.0,
        data_warm_up=0.0,
        soft_indicator=0.25,
        normalise=True,
        steps=1500 * 218,
        batch_size=32,
        learning_rate=1e-3,
        optimizer="adam",
        schedule="halve",
        clip=0.0,
        validation_images=3000,
        validate_every=218,
        checkpoint_every=218,
    ),
}
