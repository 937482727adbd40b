"""From a net's answers to integer counts, and from counts to rates: divided once, at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import DivergedError


@dataclass
class Counts:
    """Sums over the pictures seen so far.

    Args:
        num_classes: K.
        confusion: `int64[K, K]`: rows are the truth, columns the guess.
        top5: how many pictures had their class among the five most probable (or all, below five classes).
        loss: the sum of the cross-entropies, in nats.
    """

    num_classes: int
    top5: int = 0
    loss: float = 0.0
    confusion: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.num_classes, self.num_classes), np.int64)

    def add(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> None:
        """Counts a batch: `float[B, K]` that sum to 1, and `int64[B]`.

        A class is among the top five if fewer than five others are more probable; of equals the lower index wins, so
        that a net that says the same for every class is not right by chance.

        Raises:
            DivergedError: an answer is not finite, and would count as right.
        """
        if not np.isfinite(probabilities).all():
            raise DivergedError("The net's answers are not finite numbers.", "Train anew with a smaller rate: --lr.")
        truth = probabilities[np.arange(len(labels)), labels]
        guesses = probabilities.argmax(axis=1)
        np.add.at(self.confusion, (labels, guesses), 1)
        above = probabilities > truth[:, None]
        ties = (probabilities == truth[:, None]) & (np.arange(self.num_classes)[None] < labels[:, None])
        self.top5 += int(((above | ties).sum(axis=1) < 5).sum())
        self.loss += float(-np.log(np.maximum(truth.astype(np.float64), 1e-38)).sum())

    @property
    def n(self) -> int:
        """How many pictures were counted."""
        return int(self.confusion.sum())

    def rates(self) -> dict[str, float | int]:
        """`n`, `top1`, `top5` as fractions and the mean `loss`."""
        n = max(self.n, 1)
        return {
            "n": self.n,
            "top1": int(np.trace(self.confusion)) / n,
            "top5": self.top5 / n,
            "loss": self.loss / n,
        }


@dataclass(frozen=True, kw_only=True)
class ClassRates:
    """One class's rates; a rate whose denominator is zero is 0, as in scikit-learn with `zero_division=0`."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


def per_class(confusion: NDArray[np.int64], names: tuple[str, ...]) -> tuple[ClassRates, ...]:
    """Precision, recall and F1 of each class from the confusion matrix (rows: truth)."""

    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    rows = []
    for index, name in enumerate(names):
        right = int(confusion[index, index])
        truth, guessed = int(confusion[index].sum()), int(confusion[:, index].sum())
        rows.append(
            ClassRates(
                name=name,
                n=truth,
                precision=share(right, guessed),
                recall=share(right, truth),
                f1=share(2 * right, truth + guessed),
            )
        )
    return tuple(rows)
