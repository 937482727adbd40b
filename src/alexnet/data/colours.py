"""What is computed from the training pictures' pixels: their mean picture and the components of their colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .pictures import Bytes, PictureSet
from .views import to_channels

BATCH_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class Colours:
    """The principal components of a set's colours: those of the covariance of its C channels over all pixels.

    Args:
        values: `float64[C]`, the eigenvalues, largest first, in squared grey levels (0..255).
        vectors: `float64[C, C]`, the component of `values[k]` in column k; the sum of its entries is not negative.

    Source: paper, section 4.1.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def noise(self, strength: float, rule: str) -> NDArray[np.float64]:
        """`float64[C, C]`: column k is what a draw of 1 adds along component k, in grey levels.

        Args:
            rule: `paper`: the component times its eigenvalue, for colours from 0 to 1 (the printed formula has no unit,
                and with grey levels the noise would drown the picture); `program`: times its standard deviation.
        """
        scale = 255 * (self.values / 255**2) if rule == "paper" else np.sqrt(self.values)
        return strength * self.vectors * scale


def _chunks(pictures: PictureSet, channels: int) -> Iterator[Bytes]:
    for start in range(0, len(pictures), BATCH_SIZE):
        pixels, _ = pictures.batch(np.arange(start, min(start + BATCH_SIZE, len(pictures))))
        yield to_channels(torch.from_numpy(np.array(pixels)), channels).numpy()


def mean_picture(pictures: PictureSet, channels: int) -> NDArray[np.float64]:
    """`float64[C, P, P]`: the mean of a set at each pixel, in grey levels: integer sums, divided once."""
    total = np.zeros((channels, *pictures.pixels.shape[2:]), np.int64)
    for pixels in _chunks(pictures, channels):
        total += pixels.sum(axis=0, dtype=np.int64)
    return total / len(pictures)


def find_colours(pictures: PictureSet, channels: int) -> Colours:
    """The principal components of a set's colours; sums are exact."""
    count, total, products = 0, np.zeros(channels), np.zeros((channels, channels))
    for pixels in _chunks(pictures, channels):
        levels = pixels.transpose(1, 0, 2, 3).reshape(channels, -1).astype(np.float64)
        count += levels.shape[1]
        total += levels.sum(axis=1)
        products += levels @ levels.T
    mean = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    return Colours(values=values, vectors=vectors * np.where(vectors.sum(axis=0) < 0, -1, 1))
