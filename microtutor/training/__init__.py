"""Training a VAE in statistics space: the configuration, the presets, and one visible loop."""

from microtutor.training.config import PRESETS, TrainingConfig
from microtutor.training.loop import CHECKPOINT, LOG, read_log, train
from microtutor.training.timing import estimate_minutes

__all__ = ["CHECKPOINT", "LOG", "PRESETS", "TrainingConfig", "estimate_minutes", "read_log", "train"]
