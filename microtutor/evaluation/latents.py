"""What the latents of a network are like: how much they say, how many are in use, and whether they follow N(0, 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from microtutor.checks import check_phase, describe
from microtutor.models.vae import VAE, check_vae, evaluation_mode

ACTIVE = 0.01  # variance of the mean of a latent that is in use, as Burda et al. have it
BATCH = 100  # images that are encoded at a time
ROWS = {  # label and format of each number
    "kl": ("KL from N(0, 1) (nats)", "{:.2f}"),
    "whitened_kl": ("of these, what latents say (nats)", "{:.2f}"),
    "mismatch": ("of these, what scale and place cost (nats)", "{:.2f}"),
    "spread": ("spread of the latents (1 is matched)", "{:.2f}"),
    "active_units": ("latents in use", "{}"),
}


@dataclass(frozen=True)
class LatentSummary:
    r"""The latents of a sample of images, in five numbers.

    The latents of an image are a Gaussian with mean $m$ and variances $s^2$. Those of all images together, the
    aggregate posterior, have a mean $\mu$ and a covariance $C$: the covariance of the $m$ plus the mean of the $s^2$.

    Attributes:
        kl: KL divergence of the latents of an image from N(0, 1), in nats, mean over the images: the KL of training.
        whitened_kl: what it is after latents have been whitened: (log det C - sum of log s^2) / 2, mean over the
            images. No linear change of the latents changes it, so that networks can be compared by it.
        mismatch: KL divergence from N(0, 1) of the Gaussian with $\mu$ and $C$, in nats. kl = whitened_kl + mismatch.
        spread: root of the mean variance of the aggregate posterior; 1 if it is matched to N(0, 1).
        active_units: number of latents in use: the variance of $m$ is above 0.01.
        latent_dim: number of latents.
        images: number of images.

    Source: Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", for active units; Hoffman and
    Johnson (2016), "ELBO surgery", for the two parts of the KL divergence.
    """

    kl: float
    whitened_kl: float
    mismatch: float
    spread: float
    active_units: int
    latent_dim: int
    images: int

    def table(self) -> str:
        """The numbers as text, one in a line."""
        lines = [f"{self.images} images, {self.latent_dim} latents"]
        return "\n".join(lines + [f"{label:44}{form.format(getattr(self, n)):>8}" for n, (label, form) in ROWS.items()])


@torch.no_grad()
def latent_summary(vae: VAE, images: Tensor) -> LatentSummary:
    """What the latents of images are like, beside the N(0, 1) that training pulls them towards.

    Args:
        vae: a trained VAE.
        images: (n, 1, size, size) in [0, 1], on any device; brought to canonical form as in `VAE.reconstruct`. The
            covariance of few images is uncertain: take a hundred for each latent.

    Raises:
        TypeError, ValueError: vae or images are not such, or there are no more images than latents.

    >>> from microtutor.microstructures import LineImages
    >>> vae = VAE(latent_dim=2, size=32, channels=8)
    >>> latent_summary(vae, LineImages(size=32).sample(20).images).latent_dim
    2
    """
    check_vae(vae)
    images = check_phase(images, name="batch of images")
    if images.ndim != 4 or images.shape[1:] != (1, vae.size, vae.size) or len(images) <= vae.latent_dim:
        raise ValueError(
            f"expected more images than latents, more than {vae.latent_dim}, of shape (n, 1, {vae.size}, {vae.size}), "
            f"got {describe(images)}"
        )
    with evaluation_mode(vae):
        encoded = [vae.encode(vae.in_form(part)) for part in images.split(BATCH)]
    mean, log_variance = (torch.cat(parts).double().cpu() for parts in zip(*encoded, strict=True))
    covariance_of_means = mean.T.cov(correction=0).reshape(vae.latent_dim, vae.latent_dim)
    covariance = covariance_of_means + log_variance.exp().mean(0).diag()
    log_det = covariance.logdet()
    trace = covariance.trace()
    whitened_kl = 0.5 * (log_det - log_variance.sum(1).mean())
    mismatch = 0.5 * (trace + mean.mean(0).square().sum() - vae.latent_dim - log_det)
    return LatentSummary(
        kl=float(whitened_kl + mismatch),
        whitened_kl=float(whitened_kl),
        mismatch=float(mismatch),
        spread=float((trace / vae.latent_dim).sqrt()),
        active_units=int((covariance_of_means.diagonal() > ACTIVE).sum()),
        latent_dim=vae.latent_dim,
        images=len(images),
    )
