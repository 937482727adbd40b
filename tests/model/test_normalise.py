"""Response normalisation against its written formula, in float64 loops, and against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alexnet.model.normalise import MapNorm, ResponseNorm, across_channels, within_map

PAPER = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}


def values(*shape: int, scale: float = 3.0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape))) * scale


def looped_across(a: np.ndarray, size: int, c: float, beta: float, k: float, groups: int) -> np.ndarray:
    """b[i] = a[i] / (k + c * sum of a[j]² for j in i - size // 2 … i + (size - 1) // 2 in i's group) ** beta."""
    result = np.empty_like(a)
    per_group = a.shape[1] // groups
    for i in range(a.shape[1]):
        first = i // per_group * per_group
        window = [j for j in range(i - size // 2, i + (size - 1) // 2 + 1) if first <= j < first + per_group]
        total = sum(a[:, j] ** 2 for j in window)
        result[:, i] = a[:, i] / (k + c * total) ** beta
    return result


def looped_within(a: np.ndarray, size: int, alpha: float, beta: float) -> np.ndarray:
    """b[y, x] = a[y, x] / (1 + alpha / size² * sum of a² over the window clipped to the map) ** beta."""
    result = np.empty_like(a)
    half = size // 2
    for y in range(a.shape[2]):
        for x in range(a.shape[3]):
            window = a[:, :, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
            total = (window**2).sum(axis=(2, 3))
            result[:, :, y, x] = a[:, :, y, x] / (1 + alpha / size**2 * total) ** beta
    return result


@pytest.mark.parametrize("divided", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("k", [1.0, 2.0, 0.3])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 9])
def test_across_channels_is_the_formula(size: int, k: float, groups: int, divided: bool) -> None:
    a = values(2, 12, 2, 3)
    found = across_channels(a, size=size, alpha=0.5, beta=0.75, k=k, divided=divided, groups=groups)
    expected = looped_across(a.numpy(), size, 0.5 / size if divided else 0.5, 0.75, k, groups)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_window_wider_than_the_channels() -> None:
    a = values(1, 3, 2, 2)
    found = across_channels(a, size=9, alpha=1.0, beta=0.5, k=1.0, divided=False)
    expected = a / (1 + a.square().sum(1, keepdim=True)).sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({**PAPER, "divided": False}, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)),
        ({**PAPER, "divided": True}, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)),
        ({**PAPER, "k": 1.0, "divided": True}, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)),
        (
            {"size": 9, "alpha": 1e-3, "beta": 0.75, "k": 1.0, "divided": True},
            nn.LocalResponseNorm(9, alpha=1e-3, beta=0.75, k=1),
        ),
        ({**PAPER, "size": 4, "divided": True}, nn.LocalResponseNorm(4, alpha=1e-4, beta=0.75, k=2)),
    ],
    ids=["paper", "museum tower", "caffe", "cifar-11pct", "even"],
)
def test_across_channels_equals_torch_by_the_conversion_table(ours: dict, theirs: nn.Module) -> None:
    a = values(2, 16, 3, 3, scale=60.0)
    torch.testing.assert_close(across_channels(a, **ours), theirs(a), rtol=1e-13, atol=0)


def test_paper_and_program_differ_by_the_division() -> None:
    a = values(1, 16, 3, 3, scale=60.0)
    printed = across_channels(a, **PAPER, divided=False)
    program = across_channels(a, **PAPER, divided=True)
    assert (printed / program).max() < 0.99, "five times the sum is a smaller answer"
    tiny = across_channels(a * 1e-6, **PAPER, divided=True)
    torch.testing.assert_close(tiny, a * 1e-6 * 2**-0.75, rtol=1e-9, atol=0)  # k alone shrinks: 0.5946


@pytest.mark.parametrize(("channels", "differ"), [(96, [46, 47, 48, 49]), (256, [126, 127, 128, 129])])
def test_only_channels_at_the_tower_boundary_tell_joint_from_per_tower(channels: int, differ: list[int]) -> None:
    a = values(1, channels, 2, 2, scale=60.0)
    joint = across_channels(a, **PAPER, divided=True)
    towers = across_channels(a, **PAPER, divided=True, groups=2)
    assert (joint != towers).any(dim=3).any(dim=2)[0].nonzero().flatten().tolist() == differ
    halves = [across_channels(half, **PAPER, divided=True) for half in a.chunk(2, 1)]
    assert torch.equal(towers, torch.cat(halves, 1))


@pytest.mark.parametrize(("size", "alpha"), [(3, 5e-5), (5, 1e-3), (5, 2.0), (1, 0.5)])
def test_within_map_is_the_formula(size: int, alpha: float) -> None:
    a = values(2, 2, 6, 7, scale=30.0)
    found = within_map(a, size=size, alpha=alpha, beta=0.75)
    np.testing.assert_allclose(found.numpy(), looped_within(a.numpy(), size, alpha, 0.75), rtol=1e-12)


def test_within_map_is_the_reference_formula_of_cnorm2() -> None:
    a = values(2, 3, 9, 9, scale=30.0)
    mean = nn.functional.avg_pool2d(a**2, 5, 1, 2, count_include_pad=True)
    expected = a / (1 + 1e-3 * mean) ** 0.75
    torch.testing.assert_close(within_map(a, size=5, alpha=1e-3, beta=0.75), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("groups", [1, 2])
def test_gradient_across_channels(groups: int) -> None:
    a = values(2, 6, 2, 2, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a: across_channels(a, size=3, alpha=0.5, beta=0.75, k=1.5, divided=True, groups=groups), a
    )


def test_gradient_within_map() -> None:
    a = values(1, 2, 4, 4, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: within_map(a, size=3, alpha=0.7, beta=0.75), a)


@pytest.mark.parametrize(
    "norm",
    [
        ResponseNorm(size=5, alpha=1e-2, beta=0.75, k=2.0, divided=True, groups=2),
        ResponseNorm(size=9, alpha=1e-2, beta=0.75, k=1.0, divided=False, groups=1),
        MapNorm(size=5, alpha=1e-2, beta=0.75),
    ],
)
def test_bf16_is_near_float32(norm: nn.Module) -> None:
    a = values(2, 12, 7, 7, scale=10.0).float()
    exact, rough = norm(a), norm(a.bfloat16())
    assert (exact.dtype, rough.dtype) == (torch.float32, torch.bfloat16)
    assert (exact / a).min() < 0.5, "the normalisation is not idle here"
    torch.testing.assert_close(rough.float(), exact, rtol=0.04, atol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(norm(a.bfloat16()).float(), exact, rtol=0.04, atol=1e-3)


@pytest.mark.parametrize(
    "norm",
    [
        ResponseNorm(size=5, alpha=0.5, beta=0.75, k=2.0, divided=True, groups=2),
        MapNorm(size=3, alpha=0.5, beta=0.75),
    ],
)
def test_memory_format_and_batch_mates_do_not_matter(norm: nn.Module) -> None:
    a = values(3, 8, 5, 5)
    torch.testing.assert_close(norm(a.contiguous(memory_format=torch.channels_last)), norm(a), rtol=1e-14, atol=0)
    torch.testing.assert_close(norm(a)[1:2], norm(a[1:2]), rtol=1e-14, atol=0)
