"""A matplotlib figure without a window, and its PNG."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from typing import ParamSpec

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TRAIN_COLOUR, HELD_OUT_COLOUR = "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito's palette, told apart by colour-blind readers too."""
RIGHT_COLOUR, WRONG_COLOUR = "#00734d", "#b3261e"
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC")
"""Tried in this order for each letter; the later ones have Chinese and Japanese."""

Arguments = ParamSpec("Arguments")


def drawing(draw: Callable[Arguments, bytes]) -> Callable[Arguments, bytes]:
    """Draws with our fonts, whatever the person's own settings of matplotlib are, and leaves those alone.

    A letter that no installed font has becomes a box, without a warning for each.
    """

    @functools.wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> bytes:
        installed = set(font_manager.get_font_names())
        families = [name for name in FONTS if name in installed]
        with matplotlib.rc_context({"font.family": families}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            return draw(*args, **kwargs)

    return styled


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", bbox_inches="tight", pad_inches=0.08)
    return buffer.getvalue()


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters, its middle left out; one line, and `$` is no mathematics.

    >>> shorten("a-very-long-name.jpg", 12)
    'a-very…e.jpg'
    """
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    if len(text) > length:
        keep = length - 1
        text = f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
    return text.encode("utf-8", "replace").decode().replace("$", r"\$")
