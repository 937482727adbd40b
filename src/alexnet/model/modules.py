"""The layers that torch does not have: padding that differs between edges, unshared and grouped weights, the
paper's dropout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv2d(nn.Conv2d):
    """A convolution with zeros before (left, top) and after (right, bottom) the picture in different numbers."""

    def __init__(
        self, channels: int, filters: int, kernel: int, *, stride: int, before: int, after: int, groups: int
    ) -> None:
        super().__init__(channels, filters, kernel, stride=stride, groups=groups)
        self.edges = (before, after, before, after)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.edges))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, edges={self.edges}"  # type: ignore[no-untyped-call]


class PaddedMaxPool2d(nn.MaxPool2d):
    """A max pool whose padding is minus infinity, so that it never wins, even over negative values."""

    def __init__(self, kernel: int, *, stride: int, before: int, after: int) -> None:
        super().__init__(kernel, stride)
        self.edges = (before, after, before, after)

    def forward(self, input: Tensor) -> Tensor:
        padded = F.pad(input, self.edges, value=float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, edges={self.edges}"


class LocalConv2d(nn.Module):
    """A locally connected layer of stride 1: weights and biases of its own at every position.

    The weight is `[H * W, filters, channels * kernel²]` and the bias `[H * W, filters]`, for H × W outputs.

    Source: `local` layers of the 2012 program's CIFAR nets.
    """

    def __init__(self, channels: int, filters: int, kernel: int, *, padding: int, height: int, width: int) -> None:
        super().__init__()
        self.kernel, self.padding, self.height, self.width = kernel, padding, height, width
        self.weight = nn.Parameter(torch.empty(height * width, filters, channels * kernel**2))
        self.bias = nn.Parameter(torch.zeros(height * width, filters))

    def forward(self, input: Tensor) -> Tensor:
        patches = F.unfold(input, self.kernel, padding=self.padding).permute(2, 0, 1)  # [H*W, B, C*k*k]
        values = torch.baddbmm(self.bias[:, None], patches, self.weight.transpose(1, 2))
        return values.permute(1, 2, 0).reshape(len(input), -1, self.height, self.width)

    def extra_repr(self) -> str:
        positions, filters, inputs = self.weight.shape
        channels = inputs // self.kernel**2
        return f"{channels}, {filters}, kernel={self.kernel}, padding={self.padding}, positions={positions}"


class GroupedLinear(nn.Module):
    """A fully connected layer whose output groups each see their own share of the inputs.

    The weight is `[outputs, inputs / groups]`, group g owning the g-th share of outputs and inputs, as in a grouped
    convolution; the bias is `[outputs]`.

    Source: the fully connected layers of the 2012 program's config 150.
    """

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, input: Tensor) -> Tensor:
        inputs = input.chunk(self.groups, 1)
        weights, biases = self.weight.chunk(self.groups), self.bias.chunk(self.groups)
        return torch.cat([F.linear(*group) for group in zip(inputs, weights, biases, strict=True)], dim=1)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs * self.groups}, {outputs}, groups={self.groups}"


class UnscaledDropout(nn.Dropout):
    """Dropout that leaves the values it keeps as they are, and multiplies all by 1 - p in evaluation.

    Source: paper, section 4.2; the 2012 program's dropout layers.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * (1 - self.p)
