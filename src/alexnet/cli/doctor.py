"""`alexnet doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import click

from ..runs import library_versions
from .options import json_option

LIBRARIES = (
    "alexnet",
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "matplotlib",
    "click",
    "rich",
    "torchvision",
    "datasets",
)
VARIABLES = (
    "ALEXNET_DATA",
    "ALEXNET_CACHE",
    "XDG_CACHE_HOME",
    "TORCH_HOME",
    "HF_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NO_COLOR",
)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def collect_facts() -> dict[str, Any]:
    """What decides how fast and where everything runs."""
    import torch

    from ..data import SOURCES
    from ..model import choose_machine, has_fast_bf16
    from ..runs import cache_folder

    machine = choose_machine("auto", "auto")
    cache = cache_folder()
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": library_versions(LIBRARIES),
        "device": machine.device.type,
        "gpus": gpus,
        "cpu_threads": torch.get_num_threads(),
        "precision": machine.precision,
        "fast_bf16": has_fast_bf16(machine.device),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "cache": str(cache),
        "cache_bytes": _folder_bytes(cache),
        "cache_writable": os.access(_existing(cache), os.W_OK),
        "free_bytes": {
            "here": shutil.disk_usage(".").free,
            "cache": shutil.disk_usage(_existing(cache)).free,
        },
        "data": {name: _find(name) for name in SOURCES},
    }


def _find(name: str) -> str | None:
    """Where a known data set lies already."""
    from ..data import places

    if name == "sample":
        return "inside the package"
    return next((str(place) for place in places(name, None) if place.is_dir() and any(place.iterdir())), None)


def _rows(facts: dict[str, Any]) -> list[list[str]]:
    libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items() if version)
    missing = ", ".join(name for name, version in facts["libraries"].items() if version is None)
    writable = "can be written" if facts["cache_writable"] else "CANNOT be written: set ALEXNET_CACHE"
    free = {place: f"{free_bytes / 1e9:,.1f} GB" for place, free_bytes in facts["free_bytes"].items()}
    rows = [
        ["python", f"{facts['python']} on {facts['platform']}"],
        ["libraries", libraries],
        ["not installed", missing or "nothing that is used"],
        ["device", ", ".join(facts["gpus"]) or f"CPU, {facts['cpu_threads']} threads (torch sees no GPU)"],
        ["precision", f"{facts['precision']} ({'fast' if facts['fast_bf16'] else 'no fast'} bf16 here)"],
        ["cache", f"{facts['cache']}, {facts['cache_bytes'] / 1e6:,.0f} MB, {writable}"],
        ["free disk", f"{free['here']} here, {free['cache']} for the cache"],
        ["variables", ", ".join(f"{name}={value}" for name, value in facts["variables"].items()) or "none set"],
    ]
    found = [[f"data: {name}", where or "not here; downloaded when asked for"] for name, where in facts["data"].items()]
    return rows + found


@click.command("doctor", short_help="Show what this machine has.")
@json_option
def command(as_json: bool) -> None:
    """Show versions, device, precision, caches and disk: what to send along with a question."""
    from .console import print_json, print_table

    facts = collect_facts()
    if as_json:
        print_json(facts)
    else:
        print_table(["what", "found"], _rows(facts))
