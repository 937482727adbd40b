"""The compiled response normalisation, and the tensor operations where there is no compiler, in float64's light."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from alexnet.model import create, kernels
from alexnet.model.normalise import across_channels, plain_across_channels, plain_within_map, within_map

ACROSS: tuple[dict[str, Any], ...] = (
    {"size": 5, "alpha": 1e-2, "beta": 0.75, "k": 2.0, "divided": True, "groups": 2},
    {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0, "divided": False},
    {"size": 4, "alpha": 1e-2, "beta": 0.6, "k": 1.0, "divided": False},
    {"size": 9, "alpha": 1e-1, "beta": 1.0, "k": 0.5, "divided": True},
)
WITHIN: tuple[dict[str, Any], ...] = (
    {"size": 5, "alpha": 0.1, "beta": 0.75},
    {"size": 3, "alpha": 5e-2, "beta": 0.5},
    {"size": 1, "alpha": 0.1, "beta": 0.75},
)
CASES = [
    *((across_channels, plain_across_channels, facts) for facts in ACROSS),
    *((within_map, plain_within_map, facts) for facts in WITHIN),
]
SHAPES = ((2, 96, 7, 5), (3, 10, 4, 9), (1, 48, 27, 27), (5, 2, 1, 1))


def relative(found: Tensor, expected: Tensor) -> float:
    with torch.no_grad():
        return float((found.double() - expected).abs().max() / expected.abs().max())


@pytest.fixture(params=["compiled", "tensor operations"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the same answer."""
    if request.param == "compiled":
        assert kernels.load_library() is not None, "the tests' machine has a C compiler"
    else:
        monkeypatch.setattr(kernels, "load_library", lambda: None)
    return str(request.param)


@pytest.mark.parametrize(("function", "plain", "facts"), CASES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 3e-6), (torch.bfloat16, 8e-3)])
def test_output_and_gradient_are_those_of_float64(
    way: str,
    function: Callable[..., Tensor],
    plain: Callable[..., Tensor],
    facts: dict[str, Any],
    shape: tuple[int, ...],
    kind: torch.dtype,
    tolerance: float,
) -> None:
    luck = torch.Generator().manual_seed(1)
    values = (torch.randn(shape, generator=luck) * 20).to(kind)
    gradient = torch.randn(shape, generator=luck).to(kind)
    for layout in (torch.contiguous_format, torch.channels_last):
        a = values.contiguous(memory_format=layout).requires_grad_()
        out = function(a, **facts)
        (found,) = torch.autograd.grad(out, a, gradient)
        assert out.dtype == found.dtype == kind
        exact = values.double().requires_grad_()
        expected = plain(exact, **facts)
        (slope,) = torch.autograd.grad(expected, exact, gradient.double())
        assert relative(out, expected) < tolerance
        assert relative(found, slope) < tolerance


@pytest.mark.parametrize(("function", "plain", "facts"), CASES)
def test_the_written_backward_pass_is_the_gradient(
    function: Callable[..., Tensor], plain: Callable[..., Tensor], facts: dict[str, Any]
) -> None:
    """In float64, by finite differences and against autograd's own."""
    a = torch.randn(2, 6, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: function(a, **facts), a)
    gradient = torch.randn(a.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    (found,) = torch.autograd.grad(function(a, **facts), a, gradient)
    (expected,) = torch.autograd.grad(plain(a, **facts), a, gradient)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(threads: int) -> None:
    a = torch.randn(3, 16, 5, 5, generator=torch.Generator().manual_seed(4))
    before = torch.get_num_threads()
    expected = [across_channels(a, **ACROSS[0]), within_map(a, **WITHIN[0])]
    try:
        torch.set_num_threads(threads)
        found = [across_channels(a, **ACROSS[0]), within_map(a, **WITHIN[0])]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_visible(way: str, value: float) -> None:
    for kind in (torch.float32, torch.bfloat16):
        a = torch.ones(1, 8, 2, 2, dtype=kind)
        a[0, 3, 1, 1] = value
        assert not torch.isfinite(across_channels(a, **ACROSS[0])).all()


def test_a_net_of_both_norms_gives_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    net = create("cifar-18pct", seed=0).eval()
    pictures = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 50
    compiled = net(pictures)
    monkeypatch.setattr(kernels, "load_library", lambda: None)
    torch.testing.assert_close(compiled, net(pictures), rtol=1e-5, atol=1e-6)


def test_without_a_compiler_or_where_it_fails_tensor_operations_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in (("PATH", str(tmp_path)), ("ALEXNET_KERNELS", "0")):
        kernels.load_library.cache_clear()
        with monkeypatch.context() as patch:
            patch.setenv(setting, value)
            assert kernels.load_library() is None
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    kernels.load_library.cache_clear()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert kernels.load_library() is None
    kernels.load_library.cache_clear()
    assert isinstance(kernels.load_library(), ctypes.CDLL)


def test_the_compiler_has_nothing_to_say() -> None:
    compiler = shutil.which("cc")
    assert compiler is not None
    flags = [flag for flag in kernels.FLAGS if flag != "-shared"]
    command = [compiler, *flags, "-Wall", "-Wextra", "-Werror", "-c", "-o", os.devnull, str(kernels.SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_kernels_source_is_installed() -> None:
    code = "import alexnet.model.kernels as k; print(k.SOURCE.exists())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
