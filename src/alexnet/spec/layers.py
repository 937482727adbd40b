"""The kinds of layer that AlexNets are made of, as plain frozen data.

A layer says what it is, never how it is computed: `arithmetic` derives shapes and counts from it,
`alexnet.model` builds the torch module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError

Rounding = Literal["floor", "ceil", "same"]
"""How a window's number of positions is rounded when the stride does not divide the picture.

`floor`: only whole windows (PyTorch, Caffe's convolutions).
`ceil`: one more window where pixels are left over; a convolution reads zeros beyond the right and
bottom edge, a pool clips its window (cuda-convnet for both, Caffe's pools).
`same`: TensorFlow's rule: ceil(input / stride) positions, padding shared between both edges, the odd
pixel at the right and bottom; `padding` is then ignored.
"""


@dataclass(frozen=True, kw_only=True)
class Init:
    """The initial values of a layer's weights and biases.

    Args:
        rule: `normal` draws N(0, std); `glorot` is uniform in ±sqrt(6 / (fan_in + fan_out));
            `kaiming_out` is N(0, sqrt(2 / fan_out)); `torch` is PyTorch's default, uniform in
            ±1/sqrt(fan_in) for weights and biases alike.
        std: the standard deviation, for `normal` alone.
        bias: the constant that biases start at; not used by `torch`.
    """

    rule: Literal["normal", "glorot", "kaiming_out", "torch"]
    std: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution (cross-correlation, as everywhere in the field) with a bias per filter.

    Args:
        groups: 2 means two towers: each half of the filters sees its half of the channels.
    """

    name: str
    filters: int
    kernel: int
    init: Init
    stride: int = 1
    padding: int = 0
    groups: int = 1
    rounding: Rounding = "floor"


@dataclass(frozen=True, kw_only=True)
class Local:
    """A locally connected layer: a convolution of stride 1 whose weights and biases differ at every position."""

    name: str
    filters: int
    kernel: int
    init: Init
    padding: int = 0


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A fully connected layer.

    Args:
        features: number of outputs; 0 stands for the number of classes.
        groups: 2 means that each half of the outputs sees its half of the inputs.
    """

    name: str
    features: int
    init: Init
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class ResponseNorm:
    """Local response normalisation across channels: a / (k + c * sum of a² over `size` channels) ** beta.

    Args:
        divided: True: c = alpha / size (cuda-convnet, Caffe, PyTorch); False: c = alpha, the
            formula as the paper prints it.
        groups: 2 means that a window never crosses from one tower's channels into the other's.
    """

    name: str
    size: int
    alpha: float
    beta: float
    k: float
    divided: bool
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class MapNorm:
    """Response normalisation within each map: a / (1 + alpha / size² * sum of a² over size × size pixels) ** beta."""

    name: str
    size: int
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if self.size % 2 == 0:
            raise ConfigError(
                f"{self.name} has a window of {self.size} pixels.", "Give an odd number: it has a centre."
            )


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Batch normalisation over each channel.

    Args:
        momentum: the weight of the new batch in the running statistics, as in PyTorch (Keras
            states the complement: its 0.99 is 0.01 here).
    """

    name: str
    momentum: float
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Pooling. An average is divided by the number of pixels inside the picture."""

    name: str
    kind: Literal["max", "avg"]
    kernel: int
    stride: int
    rounding: Rounding = "floor"


@dataclass(frozen=True, kw_only=True)
class AdaptivePool:
    """Average pooling to `size` × `size` whatever comes in."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Relu:
    """max(0, a)."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """C × H × W to one row, channel by channel, row by row."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Zeroes each value with probability `p` in training.

    Args:
        scaled: True divides the others by 1 - p in training, as everywhere today. False leaves them, and multiplies
            all by 1 - p in evaluation, as the paper and its program do: every layer above then starts with smaller
            values, and stays stable at a larger rate.
    """

    name: str
    p: float
    scaled: bool = True


Layer = Conv | Local | Linear | ResponseNorm | MapNorm | BatchNorm | Pool | AdaptivePool | Relu | Flatten | Dropout
WEIGHT_LAYERS = (Conv, Local, Linear)
"""The kinds that have weights with initial values of their own."""
