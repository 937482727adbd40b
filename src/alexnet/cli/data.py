"""`alexnet data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import json_option, root_option

if TYPE_CHECKING:
    from ..data import DataSet

BAR_WIDTH = 24


def _facts(data: DataSet) -> dict[str, Any]:
    return {
        "name": data.name,
        "classes": list(data.classes),
        "splits": {split: len(pictures) for split, pictures in data.splits.items()},
        "damaged": [{"path": item.path, "reason": item.reason} for item in data.damaged],
    }


def _print_sources(as_json: bool) -> None:
    from ..data import SOURCES, places
    from .console import print_json, print_table

    if as_json:
        print_json(
            [
                {"name": s.name, "classes": s.classes, "splits": {"train": s.train, "test": s.test}, "about": s.about}
                for s in SOURCES.values()
            ]
        )
        return
    rows = [
        [s.name, s.about, f"{s.classes}", f"{s.train:,} + {s.test:,}", f"{s.channels} × {s.side} × {s.side}"]
        for s in SOURCES.values()
    ]
    print_table(["name", "what", "classes", "pictures", "size"], rows)
    where = "\n  ".join(str(place) for place in places("NAME", None))
    click.echo(
        f"\nFiles are looked for in\n  {where}\nand downloaded into the last where they are in none.\n"
        "Also: a folder with a folder of pictures for each class; torchvision:NAME; hf:NAME."
    )


def _print_data(data: DataSet) -> None:
    import numpy as np

    from .console import print_table, printable

    counts = {split: np.bincount(s.labels, minlength=len(data.classes)) for split, s in data.splits.items()}
    most = max(int(count.max()) for count in counts.values())
    rows = []
    for label, name in enumerate(data.classes):
        numbers = [int(count[label]) for count in counts.values()]
        bar = "█" * max(round(BAR_WIDTH * numbers[0] / most), 1 if numbers[0] else 0)
        rows.append([name, *[f"{number:,}" for number in numbers], bar])
    rows.append(["sum", *[f"{len(s):,}" for s in data.splits.values()], ""])
    print_table(["class", *data.splits, ""], rows, title=printable(data.name))
    side, channels = data.splits["train"].pixels.shape[-1], data.channels
    click.echo(f"\n{'colour' if channels == 3 else 'grey'} pictures, read as {side} × {side} pixels")
    for note in data.notes:
        click.echo(printable(note))
    if data.damaged:
        click.echo(f"\n{len(data.damaged)} damaged files, left out of training:")
        for item in data.damaged:
            click.echo(f"  {printable(item.path)} {printable(item.reason)}")


@click.command("data", short_help="List data sets.")
@click.argument("data", required=False)
@root_option
@json_option
def command(data: str | None, root: str | None, as_json: bool) -> None:
    """List the known data sets, or say what DATA holds: classes, counts, splits, and damaged files by decoding all."""
    if data is None:
        _print_sources(as_json)
        return
    from ..data import open_data
    from .console import ConsoleReporter, print_json

    reporter = ConsoleReporter(quiet=as_json)
    opened = open_data(data, root=root, progress=reporter.decoding)
    reporter.close()
    if as_json:
        print_json(_facts(opened))
    else:
        _print_data(opened)
