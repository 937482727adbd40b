"""Integer counts over every picture, and the rates that follow from them."""

from .counts import ClassRates, Counts, per_class
from .run import Result, evaluate, probabilities_of

__all__ = ["ClassRates", "Counts", "Result", "evaluate", "per_class", "probabilities_of"]
