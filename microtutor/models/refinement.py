"""Refining latents at test time: the encoder's guess, improved by gradient descent through the decoder."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from microtutor.losses import StatisticsLoss


def refine_latents(
    decode: Callable[[Tensor], Tensor],
    latents: Tensor,
    target_spectrum: Tensor,
    *,
    steps: int,
    learning_rate: float,
    tolerance: float,
) -> Tensor:
    """Latents whose images have statistics nearer to the wanted ones, and never further from them.

    Adam on the latents alone, its rate falling like a cosine. Each image is on its own: of each, the best latents that
    were met are kept, so that no image ends worse than it began.

    Args:
        decode: from latents (batch, latent_dim) to images (batch, 1, size, size).
        latents: where to begin, (batch, latent_dim).
        target_spectrum: of the wanted images, as `StatisticsLoss.spectrum` gives it.
        steps: of Adam; each decodes the batch once, forwards and backwards.
        learning_rate: of the first step, in units of the latents.
        tolerance: stop when the statistics error of every image is at most this.

    Returns:
        (batch, latent_dim), without gradient.
    """
    loss = StatisticsLoss("none")
    with torch.inference_mode(False), torch.enable_grad():
        now = latents.detach().clone().requires_grad_()
        best, least = now.detach().clone(), torch.full_like(now[:, 0], math.inf)
        optimizer = torch.optim.Adam([now], lr=learning_rate, betas=(0.9, 0.95))
        for step in range(steps + 1):
            error = loss(decode(now), target_spectrum=target_spectrum)[:, 0]
            better = error.detach() < least
            best[better], least[better] = now.detach()[better], error.detach()[better].to(least)
            if step == steps or bool((least <= tolerance).all()):
                break
            # The logarithm, so that an image that is good already still moves.
            (now.grad,) = torch.autograd.grad((error + 1e-12).log().sum(), now)
            optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.step()
    return best
