"""Where measures go besides the logger, chosen by flags; the logger stays the source of truth."""

from training.sinks.feed import SinkFeed
from training.sinks.registry import SINKS
from training.sinks.tensorboard import TensorBoard
from training.sinks.wandb import WeightsAndBiases

__all__ = ["SINKS", "SinkFeed", "TensorBoard", "WeightsAndBiases"]
