"""A small network that tests of latents share."""

import torch

from microtutor.models import VAE


def network(*, log_variance: float = 0.0, **changes) -> VAE:
    """A network with latents that differ as those of a trained one do, and log-variances moved by a number."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = VAE(**{"size": 32, "channels": 8, "latent_dim": 3} | changes).eval()
        with torch.no_grad():
            vae.to_latent.weight *= 20
            vae.to_latent.bias[: vae.latent_dim] += torch.arange(vae.latent_dim)
            vae.to_latent.bias[vae.latent_dim :] += log_variance
        return vae
