"""A matplotlib figure without a window, and its PNG."""

from __future__ import annotations

import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TRAIN_COLOUR, HELD_OUT_COLOUR = "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito's palette, told apart by colour-blind readers too."""
RIGHT_COLOUR, WRONG_COLOUR = "#00734d", "#b3261e"
FONTS = ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC"]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"font.family": FONTS[:1]}):
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters, its middle left out; `$` is no mathematics.

    >>> shorten("a-very-long-name.jpg", 12)
    'a-very…e.jpg'
    """
    if len(text) > length:
        keep = length - 1
        text = f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
    return text.encode("utf-8", "replace").decode().replace("$", r"\$")
