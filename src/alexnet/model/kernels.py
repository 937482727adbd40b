"""Response normalisation by a small C program, compiled on first use where a compiler is at hand.

The library is kept in the cache under a digest of its source, the compiler and the processor. Where there is no
compiler, or `ALEXNET_KERNELS=0`, `normalise` computes the same with tensor operations.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from ..errors import StorageError
from ..runs import cache_folder, make_folder, replace_file

SOURCE = Path(__file__).with_name("response_norm.c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
KINDS = {torch.float32: "f32", torch.bfloat16: "b16"}
SCRATCH_BYTES = 2**18
"""What a picture's block of channels may take of a core's cache, in normalisation within a map."""


def _processor() -> str:
    """What `-march=native` depends on."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text(encoding="ascii", errors="replace") if flags.exists() else ""
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return platform.machine() + line


def _compile(compiler: str, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        subprocess.run(
            [compiler, *FLAGS, "-o", str(fresh), str(SOURCE), "-lm"], check=True, capture_output=True, timeout=120
        )
        replace_file(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)


@functools.cache
def load_library() -> ctypes.CDLL | None:
    """The compiled kernels; None where they are not wanted, there is no compiler, or it fails."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if os.environ.get("ALEXNET_KERNELS") == "0" or compiler is None or sys.platform == "win32":
        return None
    try:
        version = subprocess.run([compiler, "--version"], check=True, capture_output=True, timeout=30).stdout
        facts = SOURCE.read_bytes() + version + " ".join((*FLAGS, _processor())).encode()
        target = make_folder(cache_folder() / "kernels") / f"{hashlib.sha256(facts).hexdigest()[:24]}.so"
        if not target.exists():
            _compile(compiler, target)
        return ctypes.CDLL(str(target))
    except (OSError, subprocess.SubprocessError, StorageError):
        return None  # tensor operations do the same


def serves(a: Tensor) -> bool:
    """True where the kernels can compute `a`: on the CPU, in float32 or bf16."""
    return a.device.type == "cpu" and a.dtype in KINDS and load_library() is not None


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="alexnet-kernel")


def _divide(count: int, work: Callable[[int, int], None]) -> None:
    """Does `work(first, last)` for shares of `count` rows, one for each of torch's threads."""
    num_threads = min(torch.get_num_threads(), count)
    bounds = [count * share // num_threads for share in range(num_threads + 1)]
    shares = list(itertools.pairwise(bounds))
    others = [_threads(num_threads - 1).submit(work, *share) for share in shares[1:]]
    work(*shares[0])
    for other in others:
        other.result()


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _numbers(*values: int) -> list[ctypes.c_int64]:
    return [ctypes.c_int64(value) for value in values]


def _rows(a: Tensor) -> Tensor:
    return a.detach().contiguous(memory_format=torch.channels_last)


def across_channels(
    a: Tensor, grad: Tensor | None, *, size: int, factor: float, k: float, beta: float, groups: int
) -> Tensor:
    """The output of `float[B, C, H, W]`, or with `grad` the gradient of its input, in channels-last order."""
    inputs = [_rows(a), *([] if grad is None else [_rows(grad.to(a.dtype))])]
    out = torch.empty_like(inputs[0])
    batch, channels, height, width = a.shape
    library = load_library()
    assert library is not None
    call = library[f"across_{'forward' if grad is None else 'backward'}_{KINDS[a.dtype]}"]
    pointers, constants = (
        [_pointer(tensor) for tensor in (*inputs, out)],
        [ctypes.c_float(v) for v in (factor, k, beta)],
    )

    def work(first: int, last: int) -> None:
        call(*pointers, *_numbers(first, last, channels, groups, size), *constants)

    _divide(batch * height * width, work)
    return out


def within_map(a: Tensor, grad: Tensor | None, *, size: int, factor: float, beta: float) -> Tensor:
    """The output of `float[B, C, H, W]`, or with `grad` the gradient of its input, in channels-last order."""
    inputs = [_rows(a), *([] if grad is None else [_rows(grad.to(a.dtype))])]
    out = torch.empty_like(inputs[0])
    batch, channels, height, width = a.shape
    library = load_library()
    assert library is not None
    call = library[f"within_{'forward' if grad is None else 'backward'}_{KINDS[a.dtype]}"]
    pointers, constants = [_pointer(tensor) for tensor in (*inputs, out)], [ctypes.c_float(v) for v in (factor, beta)]
    block = min(channels, max(16, SCRATCH_BYTES // (4 * 4 * height * width) // 16 * 16))

    def work(first: int, last: int) -> None:
        scratch = torch.empty(4 * height * width * block)
        call(*pointers, _pointer(scratch), *_numbers(first, last, channels, height, width, size, block), *constants)

    _divide(batch, work)
    return out
