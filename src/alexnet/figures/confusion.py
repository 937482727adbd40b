"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .canvas import drawing, new_figure, shorten, to_png

MAX_NAMED = 40
"""Beyond so many classes, names and numbers cannot be read."""


@drawing
def draw_confusion(confusion: NDArray[np.int64], names: Sequence[str]) -> bytes:
    """A PNG: rows are the truth, columns the guess; colours are shares of a row, numbers count pictures."""
    count = len(names)
    side = min(max(4.0, 0.55 * count + 1.8), 14.0)
    figure = new_figure(side + 0.6, side)
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= MAX_NAMED:
        labels = [shorten(name, 22) for name in names]
        axes.set_xticks(range(count), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(count), labels, fontsize=8)
        size = 8 if count <= 15 else 5
        for row, column in np.argwhere(confusion):
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=size)
    axes.set_xlabel("guess")
    axes.set_ylabel("truth")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return to_png(figure)
