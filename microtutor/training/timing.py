"""How long a run would take on this machine."""

from __future__ import annotations

import tempfile

from microtutor.checks import check_count, check_instance
from microtutor.training.config import TrainingConfig
from microtutor.training.log import read_log
from microtutor.training.loop import train


def estimate_minutes(config: TrainingConfig, *, steps: int = 50) -> float:
    """The minutes that a run would take on this machine, from twice `steps` of its steps, the second half timed.

    Nothing is downloaded and nothing is left behind: the network is fresh, and line images stand in for those of other
    materials. Validation is counted in, drawing the images of validation is not.

    Args:
        config: the run.
        steps: how many steps are timed. The first ones are slower, as the device is still being prepared.

    Raises:
        ValueError: as `train` for the device and the precision.

    >>> tiny = TrainingConfig(size=32, channels=4, steps=100, batch_size=2, device="cpu")
    >>> 0 <= estimate_minutes(tiny, steps=2) < 60
    True
    """
    check_instance(config, TrainingConfig, name="config")
    check_count(steps, name="steps")
    trial = config.replace(
        material="lines",
        images=None if config.images is None else config.batch_size,
        pretrained=False,
        initial_weights=None,
        normalise=False,
        steps=2 * steps,
        validate_every=steps,
        validation_images=max(1, round(config.validation_images * steps / config.validate_every)),  # its share
        checkpoint_every=2 * steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        train(trial, folder, progress=False)
        first, second = read_log(folder)["seconds"]
    return (second - first) / steps * config.steps / 60
