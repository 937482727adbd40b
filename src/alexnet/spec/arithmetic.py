"""Shapes, parameters, multiply-adds and receptive fields of a net, by arithmetic alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from ..errors import ConfigError
from .layers import (
    AdaptivePool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Local,
    MapNorm,
    Pool,
    Relu,
    ResponseNorm,
    Rounding,
)
from .network import NetworkSpec

Shape = tuple[int, int, int]
"""(C, H, W); a row of N features is (N, 1, 1)."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where the windows of a convolution or a pool stand along one side.

    Args:
        positions: how many there are.
        before, after: pixels of padding at the left (top) and right (bottom) edge. With `floor` the
            last ones may stay unread.
    """

    positions: int
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """What arithmetic says about one layer of one net.

    Args:
        parameters: weights, biases and stored statistics.
        trainable: those that an optimiser changes.
        macs: multiply-adds of one forward pass of one picture; padding positions count, as usual,
            and normalisation, pooling and biases do not.
        receptive_field, jump: pixels of the input that one unit sees, and between two neighbours;
            0 after the first fully connected layer's input, where there is no more place.
        start: the first pixel, of the input, that the first unit sees (negative: in the padding).
    """

    layer: Layer
    input: Shape
    output: Shape
    parameters: int
    trainable: int
    macs: int
    receptive_field: int
    jump: int
    start: int


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """The layers' facts and their sums."""

    layers: tuple[LayerFacts, ...]
    parameters: int
    trainable: int
    macs: int


class TooSmall(ConfigError):
    """The input is too small: a layer is left without a single position."""


def find_window(size: int, kernel: int, stride: int, padding: int, rounding: Rounding) -> Window:
    """The positions of a window along one side of `size` pixels; 0 positions where it does not fit.

    >>> find_window(224, 11, 4, 0, "ceil")
    Window(positions=55, before=0, after=3)
    >>> find_window(28, 11, 4, 0, "same")
    Window(positions=7, before=3, after=4)
    """
    if rounding == "same":
        positions = -(-size // stride)
        total = max((positions - 1) * stride + kernel - size, 0)
        return Window(positions=positions, before=total // 2, after=total - total // 2)
    span = size + 2 * padding - kernel
    if rounding == "floor":
        return Window(positions=max(span // stride + 1, 0), before=padding, after=padding)
    positions = max(-(-span // stride) + 1, 0)
    needed = (positions - 1) * stride + kernel - size - padding
    return Window(positions=positions, before=padding, after=max(needed, padding))


def window_of(layer: Conv | Pool | Local | MapNorm, size: int) -> Window:
    """The window of a layer that slides over the picture, on maps of `size` pixels a side."""
    if isinstance(layer, Conv):
        return find_window(size, layer.kernel, layer.stride, layer.padding, layer.rounding)
    if isinstance(layer, Pool):
        return find_window(size, layer.kernel, layer.stride, 0, layer.rounding)
    if isinstance(layer, Local):
        return find_window(size, layer.kernel, 1, layer.padding, "floor")
    return find_window(size, layer.size, 1, layer.size // 2, "floor")


def _output(layer: Layer, shape: Shape, classes: int) -> Shape:
    channels, height, width = shape
    match layer:
        case Conv() | Local():
            return (layer.filters, window_of(layer, height).positions, window_of(layer, width).positions)
        case Pool():
            return (channels, window_of(layer, height).positions, window_of(layer, width).positions)
        case AdaptivePool():
            return (channels, layer.size, layer.size)
        case Flatten():
            return (channels * height * width, 1, 1)
        case Linear():
            return (layer.features or classes, 1, 1)
        case ResponseNorm() | MapNorm() | BatchNorm() | Relu() | Dropout():
            return shape
        case _:
            assert_never(layer)


def _weights(layer: Layer, before: Shape, after: Shape) -> tuple[int, int, int]:
    """(weights, biases, multiply-adds)."""
    match layer:
        case Conv():
            weights = layer.filters * (before[0] // layer.groups) * layer.kernel**2
            return weights, layer.filters, weights * after[1] * after[2]
        case Local():
            weights = after[1] * after[2] * layer.filters * before[0] * layer.kernel**2
            return weights, after[1] * after[2] * layer.filters, weights
        case Linear():
            weights = before[0] // layer.groups * after[0]
            return weights, after[0], weights
        case BatchNorm():
            return before[0], before[0], 0
        case _:
            return 0, 0, 0


def _check(layer: Layer, before: Shape, after: Shape, spec: NetworkSpec) -> None:
    if min(after) < 1:
        raise TooSmall(
            f"«{spec.name}» cannot see {spec.image_size} × {spec.image_size} pixels:"
            f" nothing is left of {before[1]} × {before[2]} at {layer.name}."
        )
    groups = layer.groups if isinstance(layer, Conv | Linear | ResponseNorm) else 1
    if before[0] % groups or after[0] % groups:
        raise ConfigError(
            f"{layer.name} of «{spec.name}» has {groups} groups, which do not divide {before[0]} or {after[0]}."
        )


def _facts(spec: NetworkSpec) -> NetworkFacts:
    shape: Shape = (spec.channels, spec.image_size, spec.image_size)
    field, jump, start = 1, 1, 0
    rows: list[LayerFacts] = []
    for layer in spec.layers:
        after = _output(layer, shape, spec.classes)
        _check(layer, shape, after, spec)
        if isinstance(layer, Conv | Pool | Local | MapNorm):
            kernel = layer.size if isinstance(layer, MapNorm) else layer.kernel
            field += (kernel - 1) * jump
            start -= window_of(layer, shape[1]).before * jump
            jump *= layer.stride if isinstance(layer, Conv | Pool) else 1
        elif isinstance(layer, Flatten | AdaptivePool):
            field, jump, start = 0, 0, 0
        weights, biases, macs = _weights(layer, shape, after)
        stored = 2 * shape[0] if isinstance(layer, BatchNorm) else 0
        rows.append(
            LayerFacts(
                layer=layer,
                input=shape,
                output=after,
                parameters=weights + biases + stored,
                trainable=weights + biases,
                macs=macs,
                receptive_field=field,
                jump=jump,
                start=start,
            )
        )
        shape = after
    return NetworkFacts(
        layers=tuple(rows),
        parameters=sum(row.parameters for row in rows),
        trainable=sum(row.trainable for row in rows),
        macs=sum(row.macs for row in rows),
    )


def smallest_input(spec: NetworkSpec) -> int:
    """The smallest number of pixels per side that the net accepts."""
    size = 1
    while True:
        try:
            _facts(spec.resized(image_size=size))
        except TooSmall:
            size += 1
        else:
            return size


def compute(spec: NetworkSpec) -> NetworkFacts:
    """Every layer's shape, parameters, multiply-adds and receptive field.

    Raises:
        ConfigError: the input is too small (the message names the smallest possible size), or the
            groups of a layer do not divide its channels.

    Example:
        >>> from alexnet.spec import VARIANTS
        >>> compute(VARIANTS["paper"]).parameters
        60965224
    """
    try:
        return _facts(spec)
    except TooSmall as error:
        error.hint = f"The smallest possible size is {smallest_input(spec)}."
        raise
