"""Response normalisation, across channels and within a map.

Both are a * d ** -beta for a denominator d that is 1 or k plus a weighted sum of squares around a. Their backward pass
is written out: from the saved a alone by a compiled kernel, else from a and d by tensor operations; the plain forms,
which any tracer can follow, are what both are tested against. All compute in float32 or finer.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import kernels


def _sum_channels(values: Tensor, groups: int, before: int, after: int) -> Tensor:
    """The sum of each channel with the `before` channels before it and the `after` after it, within its group."""
    batch, channels, height, width = values.shape
    per_group = channels // groups
    padded = F.pad(values.reshape(batch * groups, per_group, height, width), (0, 0, 0, 0, before, after))
    total = padded[:, :per_group]
    for shift in range(1, before + after + 1):
        total = total + padded[:, shift : shift + per_group]
    return total.reshape(values.shape)


def _sum_map(values: Tensor, size: int) -> Tensor:
    """The sum of each pixel with its neighbours in a size × size window; there is nothing outside."""
    return F.avg_pool2d(values, size, 1, size // 2, count_include_pad=True, divisor_override=1)


def _fine(a: Tensor) -> Tensor:
    return a if a.dtype in (torch.float32, torch.float64) else a.float()


def plain_across_channels(
    a: Tensor, *, size: int, alpha: float, beta: float, k: float, divided: bool, groups: int = 1
) -> Tensor:
    """`across_channels`, as the formula is written."""
    fine, factor = _fine(a), alpha / size if divided else alpha
    scale = k + factor * _sum_channels(fine.square(), groups, size // 2, (size - 1) // 2)
    return (fine * scale.pow(-beta)).to(a.dtype)


def plain_within_map(a: Tensor, *, size: int, alpha: float, beta: float) -> Tensor:
    """`within_map`, as the formula is written."""
    fine = _fine(a)
    return (fine * (1 + alpha / size**2 * _sum_map(fine.square(), size)).pow(-beta)).to(a.dtype)


def _power(d: Tensor, beta: float) -> Tensor:
    """d ** -beta; the paper's 0.75 by square roots, which take a fraction of the time."""
    if beta == 0.75:
        root = d.sqrt()
        return root.mul_(root.sqrt()).reciprocal_()
    return d.pow(-beta)


class _AcrossChannels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, size: int, factor: float, beta: float, k: float, groups: int) -> Tensor:
        ctx.facts, ctx.is_compiled = (size, factor, beta, k, groups), kernels.serves(a)
        if ctx.is_compiled:
            ctx.save_for_backward(a)
            return kernels.across_channels(a, None, size=size, factor=factor, k=k, beta=beta, groups=groups)
        fine = _fine(a)
        d = _sum_channels(fine.square(), groups, size // 2, (size - 1) // 2).mul_(factor).add_(k)
        ctx.save_for_backward(a, d)
        return _power(d, beta).mul_(fine).to(a.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        size, factor, beta, k, groups = ctx.facts
        if ctx.is_compiled:
            (a,) = ctx.saved_tensors
            found = kernels.across_channels(a, grad, size=size, factor=factor, k=k, beta=beta, groups=groups)
            return found, None, None, None, None, None
        a, d = ctx.saved_tensors
        fine, scaled = _fine(a), _power(d, beta).mul_(grad)
        around = _sum_channels((scaled * fine).div_(d), groups, (size - 1) // 2, size // 2)
        found = scaled.addcmul_(around, fine, value=-2 * factor * beta)
        return found.to(a.dtype), None, None, None, None, None


class _WithinMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, size: int, factor: float, beta: float) -> Tensor:
        ctx.facts, ctx.is_compiled = (size, factor, beta), kernels.serves(a)
        if ctx.is_compiled:
            ctx.save_for_backward(a)
            return kernels.within_map(a, None, size=size, factor=factor, beta=beta)
        fine = _fine(a)
        d = _sum_map(fine.square(), size).mul_(factor).add_(1)
        ctx.save_for_backward(a, d)
        return _power(d, beta).mul_(fine).to(a.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        size, factor, beta = ctx.facts
        if ctx.is_compiled:
            (a,) = ctx.saved_tensors
            return kernels.within_map(a, grad, size=size, factor=factor, beta=beta), None, None, None
        a, d = ctx.saved_tensors
        fine, scaled = _fine(a), _power(d, beta).mul_(grad)
        around = _sum_map((scaled * fine).div_(d), size)
        return scaled.addcmul_(around, fine, value=-2 * factor * beta).to(a.dtype), None, None, None


def across_channels(
    a: Tensor, *, size: int, alpha: float, beta: float, k: float, divided: bool, groups: int = 1
) -> Tensor:
    """a / (k + c * sum of a² over the window) ** beta, with c = alpha / size if `divided`, else alpha.

    The window of channel i holds the channels from i - size // 2 to i + (size - 1) // 2 that exist (in its own group).

    Args:
        a: `float[B, C, H, W]`.

    Returns:
        The same shape and type.

    Source: paper, section 3.3 (not divided); the 2012 program's `cmrnorm` and Caffe (divided).
    """
    if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return plain_across_channels(a, size=size, alpha=alpha, beta=beta, k=k, divided=divided, groups=groups)
    found = _AcrossChannels.apply(a, size, alpha / size if divided else alpha, beta, k, groups)
    assert isinstance(found, Tensor)
    return found


def within_map(a: Tensor, *, size: int, alpha: float, beta: float) -> Tensor:
    """a / (1 + alpha / size² * sum of a² over the size × size window) ** beta; pixels outside count as zero.

    Args:
        a: `float[B, C, H, W]`; `size` is odd.

    Returns:
        The same shape and type.

    Source: the 2012 program's `rnorm`; config 145's `cnorm2`, the CIFAR net `18pct`.
    """
    if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return plain_within_map(a, size=size, alpha=alpha, beta=beta)
    found = _WithinMap.apply(a, size, alpha / size**2, beta)
    assert isinstance(found, Tensor)
    return found


class ResponseNorm(nn.Module):
    """Local response normalisation across channels; see `across_channels`."""

    def __init__(self, *, size: int, alpha: float, beta: float, k: float, divided: bool, groups: int) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.divided, self.groups = divided, groups

    def forward(self, a: Tensor) -> Tensor:
        return across_channels(
            a, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k, divided=self.divided, groups=self.groups
        )

    def extra_repr(self) -> str:
        return (
            f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k},"
            f" divided={self.divided}, groups={self.groups}"
        )


class MapNorm(nn.Module):
    """Response normalisation within each map; see `within_map`."""

    def __init__(self, *, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, a: Tensor) -> Tensor:
        return within_map(a, size=self.size, alpha=self.alpha, beta=self.beta)

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}"
