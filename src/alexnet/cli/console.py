"""Printing: bars and notes on standard error, results on standard output."""

from __future__ import annotations

import json
import time
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

LINE_SECONDS = 60
"""Where there is no bar, a line of progress so often."""
PIPE_WIDTH = 160
"""Characters per line where the output is no terminal, so that lines are not broken for whoever reads them."""


def err() -> Console:
    """Standard error, with colour only on a terminal that wants it."""
    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """A name as a terminal can show it: control characters and bytes that are no text become visible escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii") for char in text
    )


def print_json(value: Any) -> None:
    """One JSON object or list on one line of standard output; names that are no text keep their bytes as escapes."""
    click.echo(json.dumps(value))


def print_table(header: list[str], rows: list[list[str]], title: str = "") -> None:
    """A table on standard output; columns of numbers are aligned to the right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        numbers = [row[index] for row in rows if row[index]]
        right = bool(numbers) and all(cell[0].isdigit() or cell[0] == "-" for cell in numbers)
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*[printable(cell) for cell in row])
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    console.print(table)


class ConsoleReporter:
    """A bar for each epoch on a terminal; elsewhere a line now and then; one line for each epoch everywhere."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = err()
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.what, self.done, self.total, self.said = "", 0, 0, 0.0

    def _start(self, what: str, done: int, total: int) -> None:
        self.close()
        self.what, self.done, self.total, self.said = what, done, total, time.monotonic()
        if not self.quiet and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rates]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task(what, total=total, completed=done, rates="")
            self.bar.start()

    def _move(self, done: int, rates: str) -> None:
        self.done = done
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, rates=rates)
        elif time.monotonic() - self.said > LINE_SECONDS:
            self.said = time.monotonic()
            self.note(f"{self.what}  {done:,}/{self.total:,}  {rates}")

    def note(self, text: str) -> None:
        if not self.quiet:
            self.console.print(printable(text), markup=False, soft_wrap=True)

    def decoding(self, done: int, total: int) -> None:
        if self.what != "decoding":
            self._start("decoding", 0, total)
        self._move(done, "")
        if done >= total:
            self.close()

    def begin_epoch(self, epoch: int, epochs: int, done: int, total: int) -> None:
        self._start(f"epoch {epoch}/{epochs}", done, total)

    def advance(self, pictures: int, rates: dict[str, float]) -> None:
        text = f"loss {rates['loss']:.3f}  top-1 {rates['top1']:.3f}  {rates['images_per_s']:,.0f}/s" if rates else ""
        self._move(self.done + pictures, text)

    def begin_evaluation(self, split: str, total: int) -> None:
        self._start(f"evaluating {split}", 0, total)

    def end_epoch(self, epoch: int, epochs: int, train: dict[str, float], held_out: dict[str, Any], split: str) -> None:
        self.close()
        self.note(
            f"epoch {epoch}/{epochs}  train loss {train['loss']:.4f} top-1 {train['top1']:.4f}"
            f"  |  {split} loss {held_out['loss']:.4f} top-1 {held_out['top1']:.4f} top-5 {held_out['top5']:.4f}"
            f"  |  {train['images_per_s']:,.0f} images/s"
        )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = self.task = None
        self.what = ""
