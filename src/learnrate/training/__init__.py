"""`train`: train a task under a schedule, recorded and steered."""

from learnrate.training._train import train
from learnrate.training._trained import Trained

__all__ = ["Trained", "train"]
