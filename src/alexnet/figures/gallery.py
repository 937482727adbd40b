"""Pictures with what the net says about them, and the first layer's filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .canvas import RIGHT_COLOUR, WRONG_COLOUR, drawing, new_figure, shorten, to_png


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A picture of a gallery.

    Args:
        pixels: `uint8[C, H, W]`.
        lines: text below it.
        right: colours the text; None leaves it black.
    """

    pixels: NDArray[np.uint8]
    lines: tuple[str, ...]
    right: bool | None = None


def _show(axes: Axes, pixels: NDArray[np.uint8]) -> None:
    axes.set_axis_off()
    if len(pixels) == 1:
        axes.imshow(pixels[0], cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(pixels.transpose(1, 2, 0))


@drawing
def draw_gallery(pictures: Sequence[Captioned], columns: int = 5, title: str = "") -> bytes:
    """A PNG of pictures in rows, each with its text."""
    columns = min(columns, max(len(pictures), 1))
    rows = math.ceil(len(pictures) / columns)
    lines = max((len(picture.lines) for picture in pictures), default=1)
    figure = new_figure(2.1 * columns, (1.9 + 0.2 * lines) * max(rows, 1) + (0.35 if title else 0))
    grid = np.atleast_1d(figure.subplots(max(rows, 1), columns, squeeze=False)).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture in zip(grid, pictures, strict=False):
        _show(axes, picture.pixels)
        colour = {True: RIGHT_COLOUR, False: WRONG_COLOUR, None: "black"}[picture.right]
        text = "\n".join(shorten(line, 26) for line in picture.lines)
        axes.text(0.5, -0.04, text, fontsize=8, color=colour, ha="center", va="top", transform=axes.transAxes)
    if title:
        figure.suptitle(title, fontsize=10)
    return to_png(figure)


@drawing
def draw_filters(weights: NDArray[np.floating], towers: int = 1) -> bytes:
    """A PNG of the first layer's filters, each scaled to its own range; towers stand one above the other.

    Args:
        weights: `float[filters, C, K, K]`; 3 channels are shown in colour, others as the mean over them.
        towers: 2 where half of the filters belong to each.
    """
    filters = weights.astype(np.float64)
    shown = filters if filters.shape[1] == 3 else filters.mean(axis=1, keepdims=True)
    spread = np.maximum(np.abs(shown).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    shown = 0.5 + 0.5 * shown / spread
    columns = 16 if len(shown) % 16 == 0 else 12 if len(shown) % 12 == 0 else 10
    per_tower = len(shown) // towers
    rows = math.ceil(per_tower / columns)
    kernel = shown.shape[-1]
    cell = kernel + 1
    gap = cell // 2 if towers > 1 else 0
    canvas = np.ones((towers * rows * cell + (towers - 1) * gap + 1, columns * cell + 1, shown.shape[1]))
    for number, picture in enumerate(shown):
        tower, place = divmod(number, per_tower)
        row, column = divmod(place, columns)
        top, left = (tower * rows + row) * cell + tower * gap + 1, column * cell + 1
        canvas[top : top + kernel, left : left + kernel] = picture.transpose(1, 2, 0)
    figure = new_figure(0.5 * columns, 0.5 * columns * canvas.shape[0] / canvas.shape[1] + 0.4)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(canvas if canvas.shape[2] == 3 else canvas[..., 0], cmap="gray", vmin=0, vmax=1)
    size = f"{len(shown)} filters of {kernel} × {kernel}"
    axes.set_title(f"conv1: {size}" + (f", {towers} towers" if towers > 1 else ""), loc="left", fontsize=10)
    return to_png(figure)
