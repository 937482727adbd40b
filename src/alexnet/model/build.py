"""From a network's description to a `torch.nn.Module` whose children have the layers' names."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, assert_never

import torch
from torch import nn

from ..spec import LayerFacts, NetworkSpec, compute, find_variant, window_of
from ..spec.layers import (
    WEIGHT_LAYERS,
    AdaptivePool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Linear,
    Local,
    MapNorm,
    Pool,
    Relu,
    ResponseNorm,
)
from . import normalise
from .initial import set_initial_values
from .modules import GroupedLinear, LocalConv2d, PaddedConv2d, PaddedMaxPool2d, UnscaledDropout


def _conv(layer: Conv, row: LayerFacts) -> nn.Conv2d:
    channels, height, _ = row.input
    window = window_of(layer, height)
    if window.after == window.before:
        return nn.Conv2d(
            channels, layer.filters, layer.kernel, layer.stride, padding=window.before, groups=layer.groups
        )
    return PaddedConv2d(
        channels,
        layer.filters,
        layer.kernel,
        stride=layer.stride,
        before=window.before,
        after=window.after,
        groups=layer.groups,
    )


def _pool(layer: Pool, row: LayerFacts) -> nn.Module:
    window = window_of(layer, row.input[1])
    if layer.kind == "avg":
        assert layer.rounding != "same", "no source pools averages with «same» padding"
        return nn.AvgPool2d(layer.kernel, layer.stride, ceil_mode=layer.rounding == "ceil")
    if window.before == 0:  # a clipped last window is padding with minus infinity
        return nn.MaxPool2d(layer.kernel, layer.stride, ceil_mode=layer.rounding != "floor")
    if window.before == window.after:
        return nn.MaxPool2d(layer.kernel, layer.stride, padding=window.before)
    return PaddedMaxPool2d(layer.kernel, stride=layer.stride, before=window.before, after=window.after)


def _module(row: LayerFacts) -> nn.Module:
    """The torch module of one layer, its values not yet set."""
    layer, channels = row.layer, row.input[0]
    match layer:
        case Conv():
            return _conv(layer, row)
        case Local():
            _, high, wide = row.output
            return LocalConv2d(channels, layer.filters, layer.kernel, padding=layer.padding, height=high, width=wide)
        case Linear():
            if layer.groups > 1:
                return GroupedLinear(channels, row.output[0], layer.groups)
            return nn.Linear(channels, row.output[0])
        case ResponseNorm():
            return normalise.ResponseNorm(
                size=layer.size,
                alpha=layer.alpha,
                beta=layer.beta,
                k=layer.k,
                divided=layer.divided,
                groups=layer.groups,
            )
        case MapNorm():
            return normalise.MapNorm(size=layer.size, alpha=layer.alpha, beta=layer.beta)
        case BatchNorm():
            return nn.BatchNorm2d(channels, eps=layer.epsilon, momentum=layer.momentum)
        case Pool():
            return _pool(layer, row)
        case AdaptivePool():
            return nn.AdaptiveAvgPool2d(layer.size)
        case Relu():
            return nn.ReLU()  # never in place: explanations read what comes before it
        case Flatten():
            return nn.Flatten()
        case Dropout():
            return nn.Dropout(layer.p) if layer.scaled else UnscaledDropout(layer.p)
        case _:
            assert_never(layer)


class AlexNet(nn.Sequential):
    """A network built from its description; its children are named `conv1`, `relu1`, … `fc8`.

    The input is `float[B, channels, image_size, image_size]`, the output `float[B, classes]`: logits, before softmax.
    Where the world's files name layers otherwise (torchvision's `features.0.weight`), the state dict has their names.

    Args:
        spec: what to build.
        generator: the source of the initial values; None means torch's own.

    Raises:
        ConfigError: the input is too small.
    """

    def __init__(self, spec: NetworkSpec, generator: torch.Generator | None = None) -> None:
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        for row in compute(spec).layers:
            module = _module(row)
            if isinstance(row.layer, WEIGHT_LAYERS):
                set_initial_values(module, row.layer, row.input[0], row.output[0], generator)
            modules[row.layer.name] = module
        super().__init__(modules)
        self.spec = spec
        if spec.state_names:
            self.register_state_dict_post_hook(_to_published_names)  # type: ignore[no-untyped-call]
            self.register_load_state_dict_pre_hook(_to_own_names)  # type: ignore[no-untyped-call]

    def __getitem__(self, index: slice | int) -> Any:
        """A layer, or a part of the net as a plain `Sequential` that shares its weights."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)


def _rename(state: dict[str, Any], names: dict[str, str], prefix: str) -> None:
    """Renames `prefix + layer` in place, keeping the order; entries that are not named stay."""
    for key in list(state):
        value = state.pop(key)
        layer, _, entry = key.removeprefix(prefix).rpartition(".")
        state[f"{prefix}{names[layer]}.{entry}" if key.startswith(prefix) and layer in names else key] = value


def _to_published_names(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    assert isinstance(module, AlexNet)
    _rename(state, dict(module.spec.state_names), prefix)


def _to_own_names(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    metadata: Any,
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    assert isinstance(module, AlexNet)
    _rename(state, {theirs: ours for ours, theirs in module.spec.state_names}, prefix)


def create(
    name: str,
    *,
    classes: int | None = None,
    channels: int | None = None,
    image_size: int | None = None,
    seed: int | None = None,
) -> AlexNet:
    """A network with its source's initial values: a plain `nn.Module` with named layers.

    Args:
        name: a variant, as `alexnet models` lists them.
        classes: number of outputs; the source's own by default.
        channels: 1 or 3 usually; the source's own by default.
        image_size: pixels per side of the input; the source's own by default.
        seed: makes the initial values repeatable; None draws from torch's generator.

    Raises:
        ConfigError: there is no such variant, or the input is too small for it.

    Example:
        >>> net = create("half", classes=5)
        >>> net.conv1.weight.shape, net.fc8.out_features
        (torch.Size([48, 3, 11, 11]), 5)
    """
    spec = find_variant(name).resized(classes=classes, channels=channels, image_size=image_size)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return AlexNet(spec, generator)
