"""From pictures to the most probable classes."""

from .classifier import Classifier, Guess, Prediction, list_pictures, load

__all__ = ["Classifier", "Guess", "Prediction", "list_pictures", "load"]
