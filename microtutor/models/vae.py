"""The variational autoencoder: from an image to a few numbers, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from microtutor.checks import check_count, check_instance, check_number, check_phase, check_tensor, describe, quote
from microtutor.environment import find_device
from microtutor.losses import StatisticsLoss
from microtutor.models.networks import (
    CompactDecoder,
    CompactEncoder,
    PaperDecoder,
    ResNetEncoder,
    check_network,
)
from microtutor.models.prior import Prior
from microtutor.models.refinement import refine_latents
from microtutor.models.weights import misfit, read_weights, write_weights
from microtutor.statistics import canonical_form
from microtutor.streams import named_generator

LOG_VARIANCE_RANGE = (-12.0, 6.0)  # far from the training data an unbounded log-variance overflows in exp


@dataclass(frozen=True)
class VAEOutput:
    """What the VAE makes of a batch: reconstruction (batch, 1, size, size); mean, log_variance (batch, latent_dim).

    Decoded k times, reconstruction has shape (k * batch, 1, size, size): the whole batch, then the whole batch again.
    """

    reconstruction: Tensor
    mean: Tensor
    log_variance: Tensor


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
        prior: of how many Gaussians the prior of the latents is mixed, which `sample` draws from; 0 for none. In a new
            network they are standard normal; `finish` fits them, and weights are stored with theirs.

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
        prior: int = 0,
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
        self.config["prior"] = check_count(prior, name="prior", minimum=0)
        self.prior: Prior | None = Prior(latent_dim, prior) if prior else None
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
                same for every image. (Zeros would be a bad choice: among many random numbers some are always
                far from zero, so the decoder has never seen zeros alone.)
        """
        self._check_latents(latents)
        noise = self._noise_for(latents, noise)
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
    def reconstruct(self, images: Tensor, *, steps: int = 0, batch_size: int = 64) -> Tensor:
        """Images decoded from the latent means of `images`, in evaluation mode, without gradients.

        With steps above 0 the encoder's latents are only where the search begins: `refine` brings the statistics
        nearer to those of the images before the result is decoded.

        If the network was trained on canonical images, plain images are brought to canonical form first; compare the
        result with `canonical_form(images)`, not with `images`. A decoder that takes noise gets one fixed draw, so that
        an image has one reconstruction, whatever else is in the batch: the first of its `realisations`.

        Args:
            images: (batch, 1, size, size), bool or float in [0, 1], on any device.
            steps: of refinement; 0 decodes the latents as they were encoded, 50 takes about 80 times as long.
            batch_size: how many images are encoded and refined at a time.

        Returns:
            (batch, 1, size, size) in [0, 1], on the device of `images`, in the precision of the network.
        """
        return self.decode_means(images, self._draw_noise(1, 0), batch_size, steps=steps)[:, 0]

    def refine(
        self,
        latents: Tensor,
        target: Tensor,
        *,
        steps: int = 50,
        learning_rate: float = 0.1,
        tolerance: float = 0.0,
        noise: Tensor | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """Latents whose decoded images have statistics nearer to those of the target; never further from them.

        The weights stay as they are, in evaluation mode: Adam moves the latents alone, each image on its own, and the
        best latents that were met are kept.

        Args:
            latents: where to begin, (batch, latent_dim), such as the means from `encode`.
            target: images with the wanted statistics, (batch, 1, size, size) in [0, 1], on any device. Where they lie
                does not matter: the statistics of equivalent images are equal.
            steps: at most this many; each decodes every image once, forwards and backwards.
            learning_rate: of the first step, in units of the latents.
            tolerance: stop when the statistics error of all images of a batch is at most this.
            noise: for a decoder that takes noise, as in `decode`.
            batch_size: how many images are refined at a time.

        Returns:
            (batch, latent_dim), without gradient, on the device of the network.

        >>> vae, target = VAE(latent_dim=2, size=32, channels=8).eval(), torch.eye(32)[None, None]
        >>> latents = torch.zeros(1, 2)
        >>> errors = [StatisticsLoss()(vae.decode(z), target) for z in (latents, vae.refine(latents, target, steps=5))]
        >>> bool(errors[1] < errors[0])
        True
        """
        self._check_shape(target)
        check_count(steps, name="steps")
        check_count(batch_size, name="batch_size")
        check_number(learning_rate, name="learning_rate", above=0)
        check_number(tolerance, name="tolerance", minimum=0)
        self._check_latents(latents)
        if len(latents) != len(target):
            raise ValueError(
                f"expected one target for each of {len(latents)} latent vectors, got {len(target)} images; to refine "
                "all towards one image, expand it"
            )
        weight, loss = next(self.decoder.parameters()), StatisticsLoss()
        spectra = loss.spectrum(check_phase(target, name="target").to(weight))
        latents = latents.detach().to(weight)
        noise = self._noise_for(latents, noise).to(weight)
        choices: dict[str, Any] = {"steps": steps, "learning_rate": learning_rate, "tolerance": tolerance}
        refined = []
        with evaluation_mode(self):
            for z, e, spectrum in zip(*(x.split(batch_size) for x in (latents, noise, spectra)), strict=True):
                refined.append(refine_latents(lambda now, e=e: self.decode(now, e), z, spectrum, **choices))
        return torch.cat(refined)

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

    def set_prior(self, prior: Prior | None) -> None:
        """Take a prior of the latents in place of the one there is; None for none, as when training goes on.

        Raises:
            TypeError: it is no `Prior`.
            ValueError: it is one of another number of latents.
        """
        if prior is not None and check_instance(prior, Prior, name="prior").latent_dim != self.latent_dim:
            raise ValueError(f"expected a prior of {self.latent_dim} latents, got one of {prior.latent_dim}")
        self.prior = None if prior is None else prior.to(next(self.parameters()))
        self.config["prior"] = 0 if prior is None else prior.components

    @torch.no_grad()
    def sample(self, n: int, *, seed: int = 0, passes: int = 0) -> Tensor:
        """New images, decoded in evaluation mode from draws of the prior: (n, 1, size, size) in [0, 1], on the CPU.

        Without a fitted prior the latents are drawn from N(0, 1), which training pulls them towards but does not make
        them follow: many such images look like none of the training images. With noise_dim above 0, each image has its
        own draw of noise.

        Args:
            n: how many.
            seed: of the latents and the noise.
            passes: how often each image is cut at 0.5, encoded and decoded once more, which brings it nearer to the
                images that the network knows. The images then no longer follow the prior exactly.

        >>> VAE(latent_dim=2, size=32, channels=8).sample(3).shape
        torch.Size([3, 1, 32, 32])
        """
        check_count(n, name="n")
        check_count(seed, name="seed", minimum=0)
        check_count(passes, name="passes", minimum=0)
        weight, made = next(self.parameters()), []
        latents = (self.prior or Prior(self.latent_dim)).sample(n, seed=seed).to(weight)
        generator = named_generator("prior noise", seed)
        noise = torch.randn(n, self.noise_dim, generator=generator, dtype=torch.float32).to(weight)
        with evaluation_mode(self):
            for z, e in zip(latents.split(64), noise.split(64), strict=True):
                for _ in range(passes):
                    z = self.encode(self.in_form((self.decode(z, e) > 0.5).float()))[0]
                made.append(self.decode(z, e).cpu())
        return torch.cat(made)

    def _draw_noise(self, n: int, seed: int) -> Tensor:
        return torch.randn(n, self.noise_dim, generator=named_generator("decoder noise", seed), dtype=torch.float32)

    def decode_means(self, images: Tensor, noise: Tensor, batch_size: int, *, steps: int = 0) -> Tensor:
        """Decode the latent mean of each image with each row of noise, in evaluation mode.

        Args:
            images: (batch, 1, size, size) in [0, 1], on any device; brought to canonical form as in `reconstruct`.
            noise: (rows, noise_dim), the same for every image.
            batch_size: how many images are encoded at a time.
            steps: of refinement, see `refine`; each row of noise gets latents of its own.

        Returns:
            (batch, rows, 1, size, size), on the device of `images`.

        >>> vae = VAE(latent_dim=2, size=32, channels=8, noise_dim=3)
        >>> vae.decode_means(torch.zeros(2, 1, 32, 32), torch.zeros(1, 3), 64).shape
        torch.Size([2, 1, 1, 32, 32])
        """
        self._check_shape(images)
        check_count(batch_size, name="batch_size")
        check_count(steps, name="steps", minimum=0)
        images, made = check_phase(images), []
        with evaluation_mode(self):
            for part in images.split(batch_size):
                part = self.in_form(part)
                latents = self.encode(part)[0].repeat_interleave(len(noise), 0)
                each = noise.to(latents).repeat(len(part), 1)
                if steps:
                    latents = self.refine(latents, part.repeat_interleave(len(noise), 0), steps=steps, noise=each)
                decoded = self.decode(latents, each).to(images.device)
                made.append(decoded.unflatten(0, (len(part), len(noise))))
        return torch.cat(made)

    def _noise_for(self, latents: Tensor, noise: Tensor | None) -> Tensor:
        """Noise for each of some latents, (batch, noise_dim): that given, or one fixed draw for all of them."""
        if noise is None:
            return self._draw_noise(1, 0).to(latents).expand(len(latents), -1)
        if not isinstance(noise, Tensor) or noise.shape != (len(latents), self.noise_dim):
            raise ValueError(f"expected noise of shape ({len(latents)}, {self.noise_dim}), got {describe(noise)}")
        return noise

    def in_form(self, images: Tensor) -> Tensor:
        """Images as the encoder takes them: canonical if it was trained so, on its device and in its precision.

        >>> VAE(latent_dim=2, size=32, channels=8).in_form(torch.zeros(1, 1, 32, 32, dtype=torch.float64)).dtype
        torch.float32
        """
        return (canonical_form(images) if self.canonical else images).to(next(self.parameters()))

    def _check_latents(self, latents: Any) -> None:
        if not isinstance(latents, Tensor) or latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(f"expected latents of shape (batch, {self.latent_dim}), got {describe(latents)}")
        if not latents.is_floating_point():
            raise TypeError(f"expected latents as a float tensor, got {describe(latents)}; convert it with .float()")

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
        write_weights(Path(folder), self.config, self.state_dict(), dtype)

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
        folder, config, weights = read_weights(str(name), hub_options)
        try:
            with torch.device("meta"):  # what the network needs, before any memory is taken for it
                needed = cls(**config).state_dict()
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{folder / 'config.json'} is the configuration of no VAE: {reason}") from error
        if difference := misfit(weights, needed):
            raise ValueError(f"the weights in {folder} do not fit the network of its config.json: {difference}")
        vae = cls(**config).float()
        vae.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
        return vae.to(place).eval()


def check_vae(vae: object, *, name: str = "vae") -> None:
    """Raise TypeError unless vae is a `VAE`."""
    if not isinstance(vae, VAE):
        advice = "; load it with VAE.from_pretrained" if isinstance(vae, str) else ""
        raise TypeError(f"expected {name} as a VAE, got {describe(vae)}{advice}")


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and afterwards in the mode it was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
