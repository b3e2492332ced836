"""Latents at the scale of their images: mean 0 and covariance 1, with no change to what the network draws."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from microtutor.checks import check_count, check_phase, describe
from microtutor.microstructures.samples import Images, checked_images
from microtutor.models.prior import Prior
from microtutor.models.vae import LOG_VARIANCE_RANGE, VAE, check_vae, evaluation_mode
from microtutor.streams import named_generator

BATCH = 100  # images that are drawn and encoded at a time


def finish(
    vae: VAE, source: Images[Any] | Any, *, images: int = 20_000, components: int | None = None, seed: int = 0
) -> VAE:
    """A trained VAE with whitened latents and a fitted prior; it makes the same reconstructions as before.

    The prior is fitted to one draw of the latents of each image.

    Args:
        vae: a trained network; it stays as it is.
        source: of its training images: `LineImages`, `RockCrops`, or what `train` takes as a source. The images are
            drawn of its split "train"; those of "validation" and "test" are not looked at.
        images: how many are drawn.
        components: of the prior, see `Prior.fit`; None chooses by likelihood.
        seed: of the images and of the fit.

    Returns:
        A new VAE in evaluation mode, on the device of `vae`.

    Raises:
        TypeError, ValueError: an argument is not such, or the source gives other images than the network takes.

    >>> from microtutor.microstructures import LineImages
    >>> small = VAE(latent_dim=2, size=32, channels=8)
    >>> finish(small, LineImages(size=32), images=60, components=1).sample(3).shape
    torch.Size([3, 1, 32, 32])
    """
    check_vae(vae)
    check_count(images, name="images", minimum=20)
    check_count(seed, name="seed", minimum=0, below=2**32)
    if components is not None:
        check_count(components, name="components", below=images)
    features = _features(vae, _drawn(source, images, vae.size, seed))
    white = _whitened(vae, features)
    mean, log_variance = _encoded(white, features)
    noise = torch.randn(mean.shape, generator=named_generator("prior fit", seed, 1), dtype=mean.dtype)
    white.set_prior(Prior.fit(mean + noise * (0.5 * log_variance).exp(), components, seed=seed))
    return white


def whiten(vae: VAE, images: Tensor) -> VAE:
    r"""A VAE that makes the same reconstructions, from latents with mean 0 and covariance 1 over the images given.

    The latents of an image are a Gaussian with mean $m$ and variances $s^2$. Over all images they have the mean $\mu$
    and the covariance $C$: the covariance of the $m$ plus the mean of the $s^2$. The new latents are $W (z - \mu)$
    with $W = C^{-1/2}$, the symmetric root, with which each axis stays as near as possible to what it was. The last
    layer of the encoder takes in $W$ and $\mu$, and the first of the decoder takes in the way back, so that
    reconstructions change by rounding alone.

    The variances are not exact: the new ones are the diagonal of $W \mathrm{diag}(s^2) W^T$, whose logarithm is no
    longer linear in the encoder's features. The encoder gets the least-squares fit of it. (For the shipped weights of 1
    to 4 lines, it is 0.07 off on other images, root mean square, where the logarithm itself varies by 1.2; the KL
    divergence comes out 0.03 nats too small, of 41.6.)

    Args:
        vae: stays as it is. A prior that it has is left out, as it is one of the old latents.
        images: (n, 1, size, size), training images; brought to canonical form as in `VAE.reconstruct`.

    Returns:
        A new VAE in evaluation mode, on the device of `vae`.

    Raises:
        TypeError, ValueError: images are not such, or fewer than two.

    Source: Kessy, Lewin and Strimmer (2018), "Optimal whitening and decorrelation", for the symmetric root.
    """
    check_vae(vae)
    images = check_phase(images, name="batch of images")
    if images.ndim != 4 or images.shape[1:] != (1, vae.size, vae.size) or len(images) < 2:
        raise ValueError(
            f"expected at least two images of shape (n, 1, {vae.size}, {vae.size}), got {describe(images)}"
        )
    return _whitened(vae, _features(vae, images.split(BATCH)))


def _drawn(source: Any, images: int, size: int, seed: int) -> Iterator[Tensor]:
    for index, start in enumerate(range(0, images, BATCH)):
        yield checked_images(source, min(BATCH, images - start), size, seed=seed, split="train", index=index)


@torch.no_grad()
def _features(vae: VAE, batches: Iterable[Tensor]) -> Tensor:
    """What the encoder gives its last layer, (n, features) in float64 on the CPU."""
    with evaluation_mode(vae):
        return torch.cat([vae.encoder(vae.in_form(images)).cpu().double() for images in batches])


def _last_layer(vae: VAE) -> tuple[Tensor, Tensor]:
    """Weight and bias that make the latents of features, in float64 on the CPU."""
    return vae.to_latent.weight.detach().cpu().double(), vae.to_latent.bias.detach().cpu().double()


def _encoded(vae: VAE, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of the latents, from the features of images."""
    mean, log_variance = nn.functional.linear(features, *_last_layer(vae)).chunk(2, -1)
    return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


@torch.no_grad()
def _whitened(vae: VAE, features: Tensor) -> VAE:
    """The whitened network, from the features of images."""
    mean, log_variance = _encoded(vae, features)
    variance = log_variance.exp()
    centre, covariance = mean.mean(0), mean.T.cov(correction=0) + variance.mean(0).diag()
    values, vectors = torch.linalg.eigh(covariance)
    there, back = (vectors * values.pow(power) @ vectors.T for power in (-0.5, 0.5))

    (of_mean, of_variance), (bias_of_mean, bias_of_variance) = (p.chunk(2) for p in _last_layer(vae))
    design = torch.cat([features, torch.ones_like(features[:, :1])], 1)
    wanted = (variance @ there.square().T).log()
    as_it_is = nn.functional.linear(features, of_variance, bias_of_variance)  # before it is kept within limits
    change = torch.linalg.lstsq(design, wanted - as_it_is, rcond=1e-6, driver="gelsd").solution
    white = copy.deepcopy(vae).eval()
    white.set_prior(None)
    white.to_latent.weight.copy_(torch.cat([there @ of_mean, of_variance + change[:-1].T]))
    white.to_latent.bias.copy_(torch.cat([there @ (bias_of_mean - centre), bias_of_variance + change[-1]]))

    first = next(layer for layer in white.decoder.modules() if isinstance(layer, nn.Linear))
    columns = first.weight[:, : vae.latent_dim].cpu().double()  # those after it take noise
    first.weight[:, : vae.latent_dim].copy_(columns @ back)
    first.bias.add_((columns @ centre).to(first.bias))
    return white
