"""From pictures to the most probable classes."""

from .classifier import Classifier, Guess, Prediction, list_pictures, load
from .runtimes import Net, OnnxNet, TorchNet

__all__ = ["Classifier", "Guess", "Net", "OnnxNet", "Prediction", "TorchNet", "list_pictures", "load"]
