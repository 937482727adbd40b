"""What is asked of the C library."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import torch
from alexnet.model.device import keep_memory
def resident_megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
KEEP
before = resident_megabytes()
block = torch.ones(2**26)
del block
print(resident_megabytes() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is asked")
@pytest.mark.parametrize(("keep", "least", "most"), [("assert keep_memory() is True", 250, 350), ("", -50, 50)])
def test_memory_that_a_step_frees_stays_for_the_next(keep: str, least: float, most: float) -> None:
    """A block of 268 MB."""
    code = CODE.replace("KEEP", keep)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert least < float(done.stdout) < most
