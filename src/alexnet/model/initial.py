"""The initial values that each net's source states."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn

from ..spec.layers import Conv, Init, Linear, Local


def _fans(layer: Conv | Local | Linear, inputs: int, positions: int) -> tuple[int, int]:
    """(fan_in, fan_out) as PyTorch and Keras count them; a layer's groups divide what a unit sees."""
    if isinstance(layer, Linear):
        return inputs // layer.groups, positions
    groups = layer.groups if isinstance(layer, Conv) else 1
    return inputs // groups * layer.kernel**2, layer.filters * layer.kernel**2


def set_initial_values(
    module: nn.Module, layer: Conv | Local | Linear, inputs: int, outputs: int, generator: Generator | None
) -> None:
    """Fills `module.weight` and `module.bias` as `layer.init` says.

    Args:
        inputs: channels (or features) that come in.
        outputs: features that go out, for a fully connected layer.
        generator: the source of the random numbers; None means torch's own.
    """
    weight, bias = module.weight, module.bias
    assert isinstance(weight, torch.Tensor)
    assert isinstance(bias, torch.Tensor)
    fan_in, fan_out = _fans(layer, inputs, outputs)
    init: Init = layer.init
    with torch.no_grad():
        match init.rule:
            case "normal":
                weight.normal_(0.0, init.std, generator=generator)
            case "glorot":
                bound = math.sqrt(6 / (fan_in + fan_out))
                weight.uniform_(-bound, bound, generator=generator)
            case "kaiming_out":
                weight.normal_(0.0, math.sqrt(2 / fan_out), generator=generator)
            case "torch":
                bound = 1 / math.sqrt(fan_in)
                weight.uniform_(-bound, bound, generator=generator)
                bias.uniform_(-bound, bound, generator=generator)
                return
        bias.fill_(init.bias)
