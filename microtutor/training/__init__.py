"""Training a VAE in statistics space: the configuration, the presets, and one visible loop."""

from microtutor.files import CHECKPOINT, LOG
from microtutor.training.config import PRESETS, TrainingConfig
from microtutor.training.log import read_log
from microtutor.training.loop import train
from microtutor.training.timing import estimate_minutes

__all__ = ["CHECKPOINT", "LOG", "PRESETS", "TrainingConfig", "estimate_minutes", "read_log", "train"]
