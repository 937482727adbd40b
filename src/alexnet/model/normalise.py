"""Response normalisation, across channels and within a map, in plain tensor operations."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


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
    batch, channels, height, width = a.shape
    squares = a.reshape(batch * groups, channels // groups, height, width).square()
    padded = F.pad(squares, (0, 0, 0, 0, size // 2, (size - 1) // 2))
    per_group = channels // groups
    total = padded[:, :per_group]
    for shift in range(1, size):
        total = total + padded[:, shift : shift + per_group]
    scale = k + (alpha / size if divided else alpha) * total
    return a * scale.pow(-beta).reshape(a.shape)


def within_map(a: Tensor, *, size: int, alpha: float, beta: float) -> Tensor:
    """a / (1 + alpha / size² * sum of a² over the size × size window) ** beta; pixels outside count as zero.

    Args:
        a: `float[B, C, H, W]`.

    Returns:
        The same shape and type.

    Source: the 2012 program's `rnorm`; config 145's `cnorm2`, the CIFAR net `18pct`.
    """
    mean = F.avg_pool2d(a.square(), size, 1, size // 2, count_include_pad=True)
    return a * (1 + alpha * mean).pow(-beta)


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
