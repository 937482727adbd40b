"""The order of the pictures and each picture's luck: pure functions of seed, epoch and index.

Nothing here has a state, so the number of workers, processes or restarts cannot change what a
picture goes through.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pictures import Indices

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def epoch_order(seed: int, epoch: int, count: int) -> Indices:
    """`int64[count]`: the order in which an epoch visits its pictures."""
    source = np.random.Philox(np.random.SeedSequence([seed, epoch]))
    return np.random.Generator(source).permutation(count)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit."""
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint64(30))) * _MULTIPLIERS[0]
        value = (value ^ (value >> np.uint64(27))) * _MULTIPLIERS[1]
        return value ^ (value >> np.uint64(31))


def draw(seed: int, epoch: int, index: Indices, purpose: int, count: int = 1) -> NDArray[np.float64]:
    """`float64[B, count]` uniform in [0, 1): the draws of the pictures at `index` for one purpose.

    Args:
        purpose: a number of its own for each kind of draw, so that crops and flips do not depend on each other.
    """
    with np.errstate(over="ignore"):
        key = _mix(np.array([seed], np.uint64) + _STEP)
        key = _mix(key ^ (np.uint64(epoch) * _STEP))
        key = _mix(key ^ (np.uint64(purpose) * _STEP))
        rows = _mix(key ^ (index.astype(np.uint64) * _STEP))[:, None]
        cells = _mix(rows + np.arange(1, count + 1, dtype=np.uint64)[None] * _STEP)
    return (cells >> np.uint64(11)).astype(np.float64) * 2.0**-53
