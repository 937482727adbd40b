"""`alexnet bench`."""

from __future__ import annotations

import click

from ..errors import ConfigError
from .options import json_option


@click.command("bench", short_help="Measure speed.")
@click.option("--full", is_flag=True, help="All comparisons at full size; takes half an hour on two cores.")
@click.option("--only", metavar="TEXT", help="Only comparisons whose name contains TEXT.")
@click.option("--rounds", type=int, default=5, show_default=True, help="Interleaved rounds of each comparison.")
@json_option
def command(full: bool, only: str | None, rounds: int, as_json: bool) -> None:
    """Measure this package beside the plain way of today, both in one run, each in a process of its own.

    The plain way is torch eager in float32 with every default, torch's own normalisation, PIL and a DataLoader.
    """
    from ..bench import FULL, SHORT, Row, run_bench
    from .console import err, print_json, print_table

    chosen = tuple(item for item in (FULL if full else SHORT) if only is None or only in item.name)
    if not chosen:
        names = ", ".join(f"«{item.name}»" for item in (FULL if full else SHORT))
        raise ConfigError(f"No comparison has «{only}» in its name.", f"They are {names}.")
    console = err()
    machine, rows = {}, []
    for found in run_bench(chosen, rounds, None if as_json else lambda name: console.print(f"measuring: {name}")):
        if isinstance(found, Row):
            rows.append(found)
        else:
            machine = found
    if as_json:
        from dataclasses import asdict

        print_json({"machine": machine, "rows": [asdict(row) for row in rows]})
        return
    for name, value in machine.items():
        click.echo(f"{name}: {value}")
    print_table(
        ["what", "own /s", "plain /s", "ratio", "goal", "of matrix rate", "own MB", "plain MB", "precision"],
        [
            [
                row.name,
                f"{row.own:,.1f}",
                f"{row.plain:,.1f}",
                f"{row.ratio:.2f}",
                f"{row.goal:g}",
                "" if row.share is None else f"{row.share:.0%}",
                f"{row.own_peak_bytes / 1e6:,.0f}",
                f"{row.plain_peak_bytes / 1e6:,.0f}",
                row.precision,
            ]
            for row in rows
        ],
        title=f"medians of {rounds} interleaved rounds",
    )
