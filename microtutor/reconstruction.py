"""Images from statistics: gradient descent on the pixels until their autocorrelation is the wanted one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fft import rfft2
from tqdm import tqdm

from microtutor.checks import check_count, check_field
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import seeded_generator


def reconstruct(
    target_statistics: Tensor,
    *,
    seed: int = 0,
    steps: int = 600,
    learning_rate: float = 0.3,
    progress: bool = False,
) -> Tensor:
    """Find images with given two-point statistics, starting from noise.

    Adam descends on the statistics error through the differentiable FFT; pixels are sigmoids, so they stay in [0, 1].

    Args:
        target_statistics: periodic autocorrelation f(r), zero shift at index 0, shape (..., H, W).
        seed: chooses the noise to start from; different seeds find different images.
        steps: number of steps.
        learning_rate: of Adam, in logits.
        progress: show a progress bar.

    Returns:
        Images in [0, 1], shape of target_statistics.

    Raises:
        TypeError, ValueError: target_statistics is no float tensor with two axes or more, or not finite.

    >>> from microtutor.statistics import autocorrelation
    >>> target = autocorrelation(torch.tensor([[1., 1., 0., 0.]] * 4))
    >>> image = reconstruct(target, steps=300)
    >>> bool(StatisticsLoss()(image, torch.tensor([[1., 1., 0., 0.]] * 4)) < 1e-4)
    True
    """
    check_field(target_statistics, name="target statistics")
    check_count(steps, name="steps")
    f = target_statistics.detach().float()
    fraction = f[..., 0, 0].clamp(0.01, 0.99)[..., None, None]
    noise = torch.randn(f.shape, generator=seeded_generator(check_count(seed, name="seed", minimum=0)))
    logits = (noise.to(f.device) + torch.logit(fraction)).requires_grad_()
    loss, spectrum = StatisticsLoss("none"), rfft2(f).real
    scale = f.square().mean((-2, -1)).clamp_min(1e-12)  # an empty image has no statistics to scale by
    optimizer = torch.optim.Adam([logits], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with tqdm(total=steps, unit="step", disable=not progress) as bar:
        for _ in range(steps):
            error = loss(logits.sigmoid(), target_spectrum=spectrum)
            optimizer.zero_grad()
            (error / scale).sum().backward()
            optimizer.step()
            schedule.step()
            bar.update()
            bar.set_postfix_str(f"statistics error {error.detach().mean():.2e}", refresh=False)
    return logits.detach().sigmoid()
