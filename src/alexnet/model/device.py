"""Where and in what precision to compute."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A device and a precision: `fp32`, or `bf16` with weights kept in float32."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The context in which a forward pass runs."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def has_fast_bf16(device: torch.device) -> bool:
    """True where bf16 matrix products are faster than float32: AVX-512 bf16 or AMX, or a GPU since Ampere."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        return False
    text = flags.read_text(encoding="ascii", errors="replace")
    return "avx512_bf16" in text or "amx_bf16" in text


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


@functools.cache
def keep_memory() -> bool:
    """Tells glibc to keep the memory that a step frees for the next one, instead of giving it back to the system.

    Activations are blocks of many megabytes, which glibc would map anew, page by page, in every step. Called once in
    a process: each further call trims the heap. For training alone: a program that predicts now and then wants its
    memory back.

    Returns:
        False where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def choose_machine(device: str, precision: str) -> Machine:
    """The device and precision that `auto` or a person's choice stands for.

    Raises:
        ConfigError: `cuda` is asked for and torch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("torch sees no GPU here.", "Use --device cpu, or run `alexnet doctor`.")
    chosen = torch.device("cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu")
    is_bf16 = precision == "bf16" or (precision == "auto" and has_fast_bf16(chosen))
    return Machine(device=chosen, precision="bf16" if is_bf16 else "fp32")


def logits_of(net: nn.Module, pictures: Tensor, machine: Machine) -> Tensor:
    """`float32[B, K]`: the net's answers to `float32[B, C, S, S]`, computed in the machine's precision."""
    with machine.autocast():
        answer = net(pictures.contiguous(memory_format=torch.channels_last))
    assert isinstance(answer, Tensor)
    return answer.float()
