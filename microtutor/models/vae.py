"""The variational autoencoder, and its weights on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from microtutor.checks import check_bool, check_choice, check_count, check_phase, check_tensor, describe, quote
from microtutor.downloads import fetch_from
from microtutor.environment import find_device
from microtutor.files import replacing, write_json
from microtutor.models.networks import (
    DECODERS,
    ENCODERS,
    STAGES,
    CompactDecoder,
    CompactEncoder,
    PaperDecoder,
    ResNetEncoder,
    patch_side,
)
from microtutor.statistics import canonical_form
from microtutor.streams import named_generator

WEIGHTS = Path(__file__).parent.parent / "weights"
LOG_VARIANCE_RANGE = (-12.0, 6.0)  # far from the training data an unbounded log-variance overflows in exp
CONFIG = {"latent_dim", "encoder", "decoder", "size", "channels", "canonical", "frozen"}
LATER = {"noise_dim": 0}  # choices that older weights do not name
SHA256 = "sha256"  # of model.safetensors, in config.json or in the card beside it; older weights have neither
MOST = 2**16  # pixels along a side, latents or channels: more are a mistake, and no memory holds them
PRECISIONS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
WRAPPERS = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before names of weights


@dataclass(frozen=True)
class VAEOutput:
    """What the VAE makes of a batch: reconstruction (batch, 1, size, size); mean, log_variance (batch, latent_dim).

    Decoded several times, reconstruction holds the whole batch, then the whole batch again, and so on.
    """

    reconstruction: Tensor
    mean: Tensor
    log_variance: Tensor


def check_network(
    *,
    latent_dim: int,
    encoder: str,
    decoder: str,
    size: int,
    channels: int,
    canonical: bool,
    pretrained: bool,
    frozen: bool,
    noise_dim: int,
) -> None:
    """Raise TypeError or ValueError unless these choices make a `VAE`, whose documentation tells what they are."""
    for name, value, minimum in (
        ("noise_dim", noise_dim, 0),
        ("latent_dim", latent_dim, 1),
        ("size", size, 1),
        ("channels", channels, 1),
    ):
        if check_count(value, name=name, minimum=minimum) > MOST:
            raise ValueError(f"expected {name} of at most {MOST}, got {value}")
    check_choice(encoder, ENCODERS, name="encoder")
    check_choice(decoder, DECODERS, name="decoder")
    check_bool(canonical, name="canonical")
    check_bool(pretrained, name="pretrained")
    check_bool(frozen, name="frozen")
    if encoder == "compact" and (pretrained or frozen):
        asked = "pretrained" if pretrained else "frozen"
        raise ValueError(f"expected {asked}=True with a ResNet encoder only, got encoder='compact'")
    step = patch_side(size) * 2**STAGES
    if "compact" in (encoder, decoder) and size % step:
        nearest = max(1, round(size / step)) * step
        raise ValueError(f"expected size as a multiple of {step} pixels, got {size}; crop or resize to {nearest}")
    if channels % min(8, channels):
        raise ValueError(f"expected channels below 8 or a multiple of 8, got {channels}")


class VAE(nn.Module, PyTorchModelHubMixin):
    """A variational autoencoder of square phase images.

    Args:
        latent_dim: how many numbers stand for an image; the paper's bottleneck is 9.
        encoder: "compact" (the default, trained from scratch) or "resnet18", "resnet50", "resnet152".
        decoder: "compact", or "paper" (39 x 39 pixels, enlarged).
        size: side of the images in pixels; a multiple of 32 (below 128: of 16) for the compact networks.
        channels: feature channels of the compact networks at their finest resolution.
        canonical: whether the network is meant for images in canonical form: `reconstruct` then brings them to it.
        pretrained: start a ResNet from torchvision's ImageNet weights.
        frozen: keep the ResNet's own weights as they are; its batch norms still follow the images in training mode.
        noise_dim: how many random numbers the decoder takes beside the latents. The latents then say which statistics
            an image has, the noise which image of those it is; see `realisations`. 0 for one image for each latent
            vector, as in the paper. Training keeps the decoder from ignoring its noise; see `TrainingConfig`.

    Raises:
        ValueError: unknown encoder or decoder, a size that the networks cannot halve, or a compact encoder that
            is to be pretrained or frozen.

    >>> vae = VAE(latent_dim=9, size=64, channels=8).eval()
    >>> out = vae(torch.zeros(2, 1, 64, 64))
    >>> out.reconstruction.shape, out.mean.shape
    (torch.Size([2, 1, 64, 64]), torch.Size([2, 9]))
    """

    def __init__(
        self,
        latent_dim: int = 9,
        encoder: str = "compact",
        decoder: str = "compact",
        size: int = 224,
        channels: int = 64,
        canonical: bool = True,
        pretrained: bool = False,
        frozen: bool = False,
        noise_dim: int = 0,
    ):
        super().__init__()
        self.config = {
            "latent_dim": latent_dim,
            "encoder": encoder,
            "decoder": decoder,
            "size": size,
            "channels": channels,
            "canonical": canonical,
            "frozen": frozen,
            "noise_dim": noise_dim,
        }
        check_network(**self.config, pretrained=pretrained)
        self.latent_dim, self.noise_dim, self.size, self.canonical = latent_dim, noise_dim, size, canonical
        if encoder == "compact":
            self.encoder: nn.Module = CompactEncoder(size, channels)
        else:
            self.encoder = ResNetEncoder(encoder, pretrained=pretrained, frozen=frozen)
        self.to_latent = nn.Linear(self.encoder.features, 2 * latent_dim)
        self.decoder = (
            CompactDecoder(latent_dim + noise_dim, size, channels)
            if decoder == "compact"
            else PaperDecoder(latent_dim + noise_dim, size)
        )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents of images (batch, 1, size, size): (batch, latent_dim) each."""
        self._check(images)
        mean, log_variance = self.to_latent(self.encoder(images)).float().chunk(2, dim=-1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def decode(self, latents: Tensor, noise: Tensor | None = None) -> Tensor:
        """Images (batch, 1, size, size) with values in [0, 1] from latents (batch, latent_dim).

        Args:
            latents: what the encoder makes of images, or standard normal numbers for new ones.
            noise: standard normal, (batch, noise_dim), for a decoder that takes noise; by default one fixed draw, the
                same for every image. (Not zero: many normal numbers are never all near zero, so the decoder has not
                learned what to make of that.)
        """
        if not isinstance(latents, Tensor) or latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(f"expected latents of shape (batch, {self.latent_dim}), got {describe(latents)}")
        if not latents.is_floating_point():
            raise TypeError(f"expected latents as a float tensor, got {describe(latents)}; convert it with .float()")
        if noise is None:
            noise = self._draw_noise(1, 0).to(latents).expand(len(latents), -1)
        if not isinstance(noise, Tensor) or noise.shape != (len(latents), self.noise_dim):
            raise ValueError(f"expected noise of shape ({len(latents)}, {self.noise_dim}), got {describe(noise)}")
        dtype = next(self.decoder.parameters()).dtype
        return self.decoder(torch.cat([latents.to(dtype), noise.to(dtype)], 1) if self.noise_dim else latents.to(dtype))

    def forward(self, images: Tensor, noise: Tensor | None = None, decoder_noise: Tensor | None = None) -> VAEOutput:
        """Encode, draw latents, decode. Images are taken as they are; `reconstruct` makes them canonical first.

        Args:
            images: (batch, 1, size, size) in [0, 1].
            noise: standard normal, (batch, latent_dim); by default drawn when training, zero in evaluation mode.
            decoder_noise: standard normal, (n * batch, noise_dim): decodes the same latents n times; by default once,
                with noise drawn when training, and as in `decode` in evaluation mode.
        """
        mean, log_variance = self.encode(images)
        if noise is not None and (not isinstance(noise, Tensor) or noise.shape != mean.shape):
            raise ValueError(f"expected noise of shape {tuple(mean.shape)}, got {describe(noise)}")
        if noise is None:
            noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        if decoder_noise is None and self.training:
            decoder_noise = mean.new_empty(len(mean), self.noise_dim).normal_()
        latents = mean + noise * (0.5 * log_variance).exp()
        if decoder_noise is not None:
            latents = latents.repeat(max(1, len(decoder_noise) // len(latents)), 1)
        return VAEOutput(self.decode(latents, decoder_noise), mean, log_variance)

    @torch.no_grad()
    def reconstruct(self, images: Tensor, *, batch_size: int = 64) -> Tensor:
        """Images decoded from the latent means of `images`, in evaluation mode, without gradients.

        If the network was trained on canonical images, plain images are brought to canonical form first; compare the
        result with `canonical_form(images)`, not with `images`. A decoder that takes noise gets one fixed draw, so that
        an image has one reconstruction, whatever else is in the batch: the first of its `realisations`.

        Args:
            images: (batch, 1, size, size), bool or float in [0, 1], on any device.

        Returns:
            (batch, 1, size, size) in [0, 1], on the device of `images`, in the precision of the network.
        """
        return self.decode_means(images, self._draw_noise(1, 0), batch_size)[:, 0]

    @torch.no_grad()
    def realisations(self, images: Tensor, n: int = 16, *, seed: int = 0, batch_size: int = 64) -> Tensor:
        """Different images for the statistics of each of `images`: one latent vector, decoded with n draws of noise.

        Args:
            images: (batch, 1, size, size) in [0, 1], on any device; brought to canonical form as in `reconstruct`.
            n: how many of each.
            seed: of the noise; the same n draws serve every image.

        Returns:
            (batch, n, 1, size, size) in [0, 1], on the device of `images`.

        Raises:
            ValueError: the decoder takes no noise, so that all n images would be the same.

        >>> vae = VAE(latent_dim=2, size=32, channels=8, noise_dim=3)
        >>> vae.realisations(torch.zeros(2, 1, 32, 32), n=4).shape
        torch.Size([2, 4, 1, 32, 32])
        """
        if not self.noise_dim:
            raise ValueError("expected a decoder that takes noise, got one with noise_dim=0: it makes one image only")
        check_count(n, name="n")
        check_count(batch_size, name="batch_size")
        check_count(seed, name="seed", minimum=0)
        return self.decode_means(images, self._draw_noise(n, seed), max(1, batch_size // n))

    def _draw_noise(self, n: int, seed: int) -> Tensor:
        return torch.randn(n, self.noise_dim, generator=named_generator("decoder noise", seed), dtype=torch.float32)

    def decode_means(self, images: Tensor, noise: Tensor, batch_size: int) -> Tensor:
        """Decode the latent mean of each image with each row of noise, in evaluation mode.

        Args:
            images: (batch, 1, size, size) in [0, 1], on any device; brought to canonical form as in `reconstruct`.
            noise: (rows, noise_dim), the same for every image.
            batch_size: how many images are encoded at a time.

        Returns:
            (batch, rows, 1, size, size), on the device of `images`.

        >>> vae = VAE(latent_dim=2, size=32, channels=8, noise_dim=3)
        >>> vae.decode_means(torch.zeros(2, 1, 32, 32), torch.zeros(1, 3), 64).shape
        torch.Size([2, 1, 1, 32, 32])
        """
        self._check_shape(images)
        check_count(batch_size, name="batch_size")
        images, made = check_phase(images), []
        with evaluation_mode(self):
            for part in images.split(batch_size):
                part = canonical_form(part) if self.canonical else part
                mean = self.encode(part.to(next(self.parameters())))[0].repeat_interleave(len(noise), 0)
                decoded = self.decode(mean, noise.to(mean).repeat(len(part), 1)).to(images.device)
                made.append(decoded.unflatten(0, (len(part), len(noise))))
        return torch.cat(made)

    def _check_shape(self, images: Any) -> None:
        check_tensor(images, name="images")
        if images.ndim != 4 or images.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"expected images of shape (batch, 1, {self.size}, {self.size}), got {describe(images)}")
        if len(images) == 0:
            raise ValueError("expected at least one image, got an empty batch")

    def _check(self, images: Any) -> None:
        """Refuse images that the encoder cannot take, or has never seen the like of."""
        self._check_shape(images)
        weight = next(self.parameters())
        if not images.is_floating_point() or (
            images.dtype != weight.dtype and not torch.is_autocast_enabled(weight.device.type)
        ):
            raise TypeError(
                f"expected images as floats of the network's precision, {weight.dtype}, with values in [0, 1], got "
                f"{describe(images)}; convert them with .to({weight.dtype}), from whole numbers after / 255"
            )
        if images.device != weight.device:
            raise ValueError(
                f"expected images on {weight.device}, where the network is, got them on {images.device}; move them "
                f"with .to({str(weight.device)!r})"
            )
        if not self.training or images.device.type == "cpu":  # a GPU that trains does not wait for an answer
            check_phase(images, name="batch of images")

    # --- weights -----------------------------------------------------------------------------------------------------
    def save_pretrained(
        self, folder: str | os.PathLike, *, dtype: torch.dtype | None = None, **hub_options: Any
    ) -> None:
        """Write model.safetensors, and config.json with its checksum, into folder, each under a temporary name first.

        Args:
            folder: made if it does not exist.
            dtype: store floating weights in this precision, for example torch.float16; they load as float32.
            hub_options: config and model_card_kwargs, which `push_to_hub` passes along; not used for a local folder.

        Raises:
            TypeError: other options, push_to_hub=True among them; or a dtype of whole numbers.
            ValueError: weights are NaN or infinite, or would be in that dtype; nothing is written.
        """
        unknown = sorted(set(hub_options) - {"config", "model_card_kwargs"})
        if unknown:
            raise TypeError(
                f"expected a folder and a dtype, got {', '.join(unknown)}; for the hub call push_to_hub(repo_id)"
            )
        if dtype is not None and dtype not in PRECISIONS:
            raise TypeError(f"expected dtype out of {', '.join(map(str, PRECISIONS))}, got {quote(dtype)}")
        weights = {}
        for name, value in self.state_dict().items():
            value = value.detach().cpu().contiguous()
            weights[name] = value.to(dtype) if dtype is not None and value.is_floating_point() else value
        if broken := _not_finite(weights):
            raise ValueError(
                f"expected finite weights, got NaN or infinity in {broken}; nothing is written"
                + ("" if dtype is None else f"; if they are finite in the network, {dtype} cannot hold them")
            )
        content = save(
            weights, metadata={"config": json.dumps(self.config)}
        )  # of two entries the order would be random
        with replacing(Path(folder) / "model.safetensors") as temporary:
            temporary.write_bytes(content)
        write_json(Path(folder) / "config.json", self.config | {SHA256: hashlib.sha256(content).hexdigest()})

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike, *, device: str | torch.device = "cpu", **hub_options: Any) -> VAE:
        """Load a VAE in evaluation mode.

        Args:
            name: one of the names in `shipped_weights()`, a folder from `save_pretrained`, or a hub id. Weights that
                are not in the installed package are downloaded once, and kept beside the micrographs.
            device: where the network goes.
            hub_options: revision, token, cache_dir and the like, for a hub id.

        Raises:
            FileNotFoundError: no such weights here, and no such repository on the hub; or they cannot be downloaded,
                and it says where to get them and where to put them.
            ValueError: the files are damaged, as the checksum or the values tell, or are weights of another network; or
                there is no such device.
            TypeError: unknown options, or options for weights that are not on the hub.

        >>> VAE.from_pretrained("lines-1-4").latent_dim
        9
        """
        if not isinstance(name, (str, os.PathLike)):
            raise TypeError(f"expected the name of weights or of their folder, got {quote(name)}")
        place = find_device(device)
        folder, file = _find(str(name), hub_options)
        config, weights = _read(folder, file)
        try:
            with torch.device("meta"):  # what the network needs, before any memory is taken for it
                needed = cls(**config).state_dict()
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{folder / 'config.json'} is the configuration of no VAE: {reason}") from error
        if misfit := _misfit(weights, needed):
            raise ValueError(f"the weights in {folder} do not fit the network of its config.json: {misfit}")
        vae = cls(**config).float()
        vae.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
        return vae.to(place).eval()


def _read(folder: Path, file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration of a VAE and its weights, if both are as they were written."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        content = file.read_bytes()
        weights = load(content)
        stored = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        stored = json.loads(stored.get("config", "null"))
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"the weights in {folder} are damaged ({error}); copy or download them again") from error
    named = set(config) - {SHA256} if isinstance(config, dict) else set()
    if named | set(LATER) != CONFIG | set(LATER):
        raise ValueError(f"expected the configuration of a VAE in {folder / 'config.json'}, got {str(config)[:200]}")
    written = config.pop(SHA256, None) or _sha256_of_card(folder)
    if written is not None and written != (found := hashlib.sha256(content).hexdigest()):
        raise ValueError(
            f"the weights in {folder} are damaged (expected the sha256 {written}, got {found}); copy or download them "
            "again"
        )
    if stored is not None and (other := {k: v for k, v in stored.items() if config.get(k, LATER.get(k)) != v}):
        was = ", ".join(f"{k}={v!r}" for k, v in other.items())
        raise ValueError(
            f"the weights in {folder} do not fit the network of its config.json: they were saved with {was}"
        )
    weights = _unwrapped(weights)
    if broken := _not_finite(weights):
        raise ValueError(f"the weights in {folder} are of no use: NaN or infinity in {broken}; train or copy them anew")
    return config, weights


def _sha256_of_card(folder: Path) -> str | None:
    """The checksum in the card beside weights, if there is one; a card may be anything."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return card.get(SHA256) if isinstance(card, dict) else None


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names of the network itself, where it was saved inside of something.

    >>> list(_unwrapped({"module._orig_mod.to_latent.bias": torch.zeros(1)}))
    ['to_latent.bias']
    """
    while prefix := next((w for w in WRAPPERS if weights and all(name.startswith(w) for name in weights)), ""):
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _not_finite(weights: dict[str, Tensor]) -> str:
    """The name of the first weights that are NaN or infinite; empty if all are finite."""
    floats = (name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all())
    return next(floats, "")


def _misfit(weights: dict[str, Tensor], needed: dict[str, Tensor]) -> str:
    """How weights differ from those that a network needs, the first of them; empty if they do not."""
    for name in (*needed, *weights):
        if name not in weights:
            return f"there is no {name}"
        if name not in needed:
            return f"{name} is not part of it"
        found, wanted = weights[name], needed[name]
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            return (
                f"{name} has shape {tuple(found.shape)} and {found.dtype}, not {tuple(wanted.shape)} and {wanted.dtype}"
            )
    return ""


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and afterwards in the mode it was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def shipped_weights() -> list[str]:
    """Names of the weights that come with the package, be it inside it or as a download that it knows.

    >>> "lines-1-4" in shipped_weights()
    True
    """
    return sorted(path.parent.name for path in WEIGHTS.glob("*/card.json"))


def _find(name: str, hub_options: dict[str, Any]) -> tuple[Path, Path]:
    """The folder that holds config.json of the named weights, and their model.safetensors."""
    shipped = name in shipped_weights()
    folder = WEIGHTS / name if shipped else Path(name)
    if folder.is_dir():
        if hub_options:
            raise TypeError(f"expected options for a hub id only, got {', '.join(hub_options)} for the folder {folder}")
        file = folder / "model.safetensors"
        missing = [path.name for path in (folder / "config.json", file) if not path.is_file()]
        if shipped and missing == [file.name]:
            return folder, _fetch_shipped(name)
        if missing:
            raise FileNotFoundError(
                f"expected {' and '.join(missing)} in {folder}; is it a folder written by save_pretrained?"
            )
        return folder, file
    known = f"expected one of {', '.join(shipped_weights())}, a folder, or a hub id owner/name; got {name!r}"
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError(known)
    try:
        folder = Path(snapshot_download(name, allow_patterns=["config.json", "model.safetensors"], **hub_options))
    except TypeError:  # an option that there is not
        raise
    except Exception as error:
        raise FileNotFoundError(f"{known}, and the hub does not give it: {type(error).__name__}") from error
    return folder, folder / "model.safetensors"


def _fetch_shipped(name: str) -> Path:
    """model.safetensors of weights that the wheel leaves out: from the repository, at the tag of this release."""
    package = metadata.metadata("microtutor")
    addresses = dict(entry.split(", ", 1) for entry in package.get_all("Project-URL", []))
    repository = addresses["Repository"].removeprefix("https://github.com/")
    file = f"{name}/model.safetensors"
    url = f"https://raw.githubusercontent.com/{repository}/v{package['Version']}/microtutor/weights/{file}"
    return fetch_from(
        url, json.loads((WEIGHTS / name / "card.json").read_text(encoding="utf-8"))["sha256"], f"weights/{file}"
    )
