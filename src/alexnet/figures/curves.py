"""Loss and accuracy over the epochs, of training and held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from .canvas import HELD_OUT_COLOUR, TRAIN_COLOUR, drawing, new_figure, to_png


def _draw(axes: Axes, rows: Sequence[dict[str, Any]], per_epoch: float, key: str, title: str) -> None:
    train = [row for row in rows if row["split"] == "train"]
    held_out = [row for row in rows if row["split"] != "train"]
    axes.plot(
        [row["step"] / per_epoch for row in train],
        [row[key] for row in train],
        color=TRAIN_COLOUR,
        linewidth=1.2,
        alpha=0.9,
        label="training",
    )
    if held_out:
        name = {"val": "validation", "test": "test"}.get(held_out[0]["split"], held_out[0]["split"])
        axes.plot(
            [row["epoch"] for row in held_out],
            [row[key] for row in held_out],
            color=HELD_OUT_COLOUR,
            marker="o",
            markersize=4,
            label=name,
        )
    axes.set_xlabel("epoch")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.set_xlim(left=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


@drawing
def draw_curves(rows: Sequence[dict[str, Any]], steps_per_epoch: int) -> bytes:
    """A PNG of the lines of a history.

    Args:
        rows: lines of `history.jsonl`.
        steps_per_epoch: updates per epoch; places the training lines between whole epochs.
    """
    figure = new_figure(9, 3.6)
    losses, accuracies = figure.subplots(1, 2)
    _draw(losses, rows, steps_per_epoch, "loss", "loss (cross-entropy, nats)")
    _draw(accuracies, rows, steps_per_epoch, "top1", "top-1 accuracy")
    losses.set_ylim(bottom=0)
    accuracies.set_ylim(0, 1)
    accuracies.legend(loc="lower right", frameon=False)
    return to_png(figure)


@drawing
def draw_rates(rates: Sequence[float], losses: Sequence[float], marks: dict[str, float]) -> bytes:
    """A PNG of the loss over a growing learning rate.

    Args:
        marks: rates to show, by name.
    """
    figure = new_figure(7, 3.8)
    axes = figure.subplots()
    axes.plot(rates, losses, color=TRAIN_COLOUR)
    for (name, rate), style in zip(marks.items(), ("-", ":"), strict=False):
        axes.axvline(rate, color=HELD_OUT_COLOUR, linestyle=style, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_title("training loss (cross-entropy, nats, smoothed)", loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
    return to_png(figure)
