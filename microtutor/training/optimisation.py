"""The optimiser of a run, and how its learning rate goes up and down."""

from __future__ import annotations

import torch

from microtutor.training.config import TrainingConfig


def optimizer_of(model: torch.nn.Module, config: TrainingConfig, *, fused: bool) -> torch.optim.Optimizer:
    """The optimiser of a run, for the weights of its model that are trained; `fused`: one pass over them in a step."""
    weights = [p for p in model.parameters() if p.requires_grad]
    if config.optimizer == "adam":
        return torch.optim.Adam(weights, lr=config.learning_rate, fused=fused)
    return torch.optim.AdamW(weights, lr=config.learning_rate, betas=(0.9, 0.95), fused=fused)


def schedule_of(optimizer: torch.optim.Optimizer, config: TrainingConfig) -> torch.optim.lr_scheduler.LRScheduler:
    """How the learning rate goes up and down over the steps of a run."""
    if config.schedule == "halve":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 if step >= 0.9 * config.steps else 1.0)
    total = config.steps + 1
    rise = max(0.1, 2 / total)  # at least one step
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=total, pct_start=rise, cycle_momentum=False
    )
