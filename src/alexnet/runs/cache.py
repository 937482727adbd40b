"""Where things are kept that can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Downloads, packs and compiled kernels: `ALEXNET_CACHE`, or `XDG_CACHE_HOME/alexnet`, or `~/.cache/alexnet`."""
    chosen = os.environ.get("ALEXNET_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alexnet"
