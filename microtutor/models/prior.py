"""The prior of the latents: where in latent space the images of a material lie, as a mixture of Gaussians."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn

from microtutor.checks import check_count, check_field, describe
from microtutor.streams import named_generator

COMPONENTS = (1, 10, 30, 100, 200, 400)  # numbers of Gaussians that are tried where none is asked for
HELD_OUT = 0.1  # share of the latents that choose among them
MOST = 2**12  # Gaussians: fits of more take hours


class Prior(nn.Module):
    """A mixture of Gaussians in latent space, as `fit` finds it; before that, all of them are standard normal.

    Args:
        latent_dim: how many numbers a latent vector has.
        components: how many Gaussians.

    Attributes:
        log_weights: (components,), the logarithm of the share of each.
        means: (components, latent_dim).
        factors: (components, latent_dim, latent_dim), lower triangular L of each covariance L L^T.

    >>> prior = Prior(latent_dim=2, components=1)
    >>> prior.sample(3).shape, prior.log_density(torch.zeros(1, 2))
    (torch.Size([3, 2]), tensor([-1.8379]))
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, latent_dim: int, components: int = 1):
        super().__init__()
        check_count(latent_dim, name="latent_dim")
        check_count(components, name="components", below=MOST + 1)
        self.latent_dim, self.components = latent_dim, components
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("means", torch.zeros(components, latent_dim))
        self.register_buffer("factors", torch.eye(latent_dim).repeat(components, 1, 1))

    def sample(self, n: int, *, seed: int = 0) -> Tensor:
        """Draw n latent vectors: (n, latent_dim), on the device and in the precision of the prior."""
        check_count(n, name="n")
        check_count(seed, name="seed", minimum=0)
        generator = named_generator("prior", seed)
        weights = self.log_weights.double().exp().cpu()
        chosen = torch.multinomial(weights, n, replacement=True, generator=generator).to(self.means.device)
        normal = torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float32).to(self.means)
        return self.means[chosen] + (self.factors[chosen] @ normal[..., None])[..., 0]

    def log_density(self, latents: Tensor) -> Tensor:
        """Natural logarithm of the density at latents (n, latent_dim): (n,), with gradients.

        Raises:
            TypeError, ValueError: latents are no float tensor of this shape, or are not finite.
        """
        _check_latents(latents, self.latent_dim)
        dtype = torch.promote_types(latents.dtype, torch.float32)
        log_weights, means, factors = (x.to(dtype) for x in (self.log_weights, self.means, self.factors))
        steps = latents.to(dtype) - means[:, None]  # (components, n, latent_dim)
        scaled = torch.linalg.solve_triangular(factors, steps.mT, upper=False)
        half_log_det = factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = log_weights - half_log_det - 0.5 * self.latent_dim * math.log(2 * math.pi)
        return (constant[:, None] - 0.5 * scaled.square().sum(-2)).logsumexp(0)

    @classmethod
    def fit(cls, latents: Tensor, components: int | None = None, *, seed: int = 0) -> Prior:
        """The mixture under which latents are most likely, found by scikit-learn.

        Args:
            latents: (n, latent_dim), of training images: one draw of the latents of each, so that no Gaussian gets
                thinner than what the encoder leaves open. Those of a whitened network are fitted best.
            components: how many Gaussians; None tries each of `COMPONENTS`, leaves out a tenth of the latents, and
                keeps the number under which these are most likely.
            seed: of the places where the search begins.

        Raises:
            TypeError, ValueError: latents are not such, or fewer than there would be Gaussians.

        >>> Prior.fit(torch.randn(50, 2), components=2).means.shape
        torch.Size([2, 2])
        """
        _check_latents(latents)
        check_count(seed, name="seed", minimum=0, below=2**32)
        if components is not None:
            check_count(components, name="components", below=MOST + 1)
            if components >= len(latents):
                raise ValueError(
                    f"expected more latents than components, got {len(latents)} latents for {components} components"
                )
            return cls._fitted(latents, components, seed)
        if len(latents) < 20:
            raise ValueError(f"expected at least 20 latents to choose the number of components, got {len(latents)}")
        kept = round(len(latents) * (1 - HELD_OUT))
        order = torch.randperm(len(latents), generator=named_generator("prior fit", seed, 0)).to(latents.device)
        learned, held_out = latents[order[:kept]], latents[order[kept:]]
        scores = {
            n: cls._fitted(learned, n, seed).log_density(held_out.float()).mean().item()
            for n in COMPONENTS
            if 10 * n <= kept
        }
        return cls._fitted(latents, max(scores, key=scores.__getitem__), seed)

    @classmethod
    def _fitted(cls, latents: Tensor, components: int, seed: int) -> Prior:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(components, max_iter=60, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # how good the fit is, held-out latents say
            mixture.fit(latents.detach().double().cpu().numpy())
        prior = cls(latents.shape[1], components)
        prior.log_weights.copy_(torch.from_numpy(mixture.weights_).log())
        prior.means.copy_(torch.from_numpy(mixture.means_))
        prior.factors.copy_(torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)))
        return prior.to(latents.device)


def _check_latents(latents: Tensor, latent_dim: int | None = None) -> None:
    """Refuse what is no finite float tensor of shape (n, latent_dim)."""
    check_field(latents, ndim=2, name="latents")
    if latents.ndim != 2 or latent_dim not in (None, latents.shape[1]):
        wanted = "latent_dim" if latent_dim is None else latent_dim
        raise ValueError(f"expected latents of shape (n, {wanted}), got {describe(latents)}")
