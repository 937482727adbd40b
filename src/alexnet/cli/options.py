"""Options that several commands share."""

from __future__ import annotations

import shutil
import sys

import click


def own_name() -> str:
    """How to call this command again: `alexnet` where the shell finds it, else the path it was called by."""
    called = sys.argv[0]
    return called if called.endswith("alexnet") and shutil.which("alexnet") is None else "alexnet"


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Facts for machines on standard output, nothing else."
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute."
)
root_option = click.option("--root", help="Where to look first for the files of a known data set.")
