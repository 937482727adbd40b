"""Every AlexNet, as one literal table.

The order of each tuple is the order of computation. A net of the 2012 program's family is written as
its difference from config 145, as its own author wrote it. Sources: the NIPS 2012 paper; the 2012
program (computerhistory/AlexNet-Source-Code, `layers/*.cfg` and `example-layers/*.cfg`); Caffe's
prototxt files (BVLC/caffe, `models/`); torchvision; the tutorials' code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import ConfigError, nearest
from .layers import (
    AdaptivePool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Init,
    Layer,
    Linear,
    Local,
    MapNorm,
    Pool,
    Relu,
    ResponseNorm,
)
from .network import NetworkSpec

GLOROT = Init(rule="glorot")
KAIMING = Init(rule="kaiming_out")
TORCH = Init(rule="torch")


def gaussian(std: float, bias: float = 0.0) -> Init:
    """N(0, std) weights and constant biases."""
    return Init(rule="normal", std=std, bias=bias)


def changed(layers: tuple[Layer, ...], **changes: dict[str, Any] | None) -> tuple[Layer, ...]:
    """The same layers with some fields changed, by layer name; None leaves the layer out."""
    unknown = set(changes) - {layer.name for layer in layers}
    assert not unknown, unknown
    return tuple(
        layer if layer.name not in changes else replace(layer, **(changes[layer.name] or {}))
        for layer in layers
        if changes.get(layer.name, {}) is not None
    )


# The paper, section 3: ReLU, then normalisation with the formula as printed (alpha not divided by n,
# the sum over «all kernels of the layer»), then overlapping pooling. Two towers meet in conv3 and
# the fully connected layers. 227 gives the printed sizes with whole windows only.
PAPER: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, init=gaussian(0.01)),
    Relu(name="relu1"),
    ResponseNorm(name="norm1", size=5, alpha=1e-4, beta=0.75, k=2.0, divided=False),
    Pool(name="pool1", kind="max", kernel=3, stride=2),
    Conv(name="conv2", filters=256, kernel=5, padding=2, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu2"),
    ResponseNorm(name="norm2", size=5, alpha=1e-4, beta=0.75, k=2.0, divided=False),
    Pool(name="pool2", kind="max", kernel=3, stride=2),
    Conv(name="conv3", filters=384, kernel=3, padding=1, init=gaussian(0.01)),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=gaussian(0.01, bias=1)),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5, scaled=False),
    Linear(name="fc7", features=4096, init=gaussian(0.01, bias=1)),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5, scaled=False),
    Linear(name="fc8", features=0, init=gaussian(0.01)),
)

# Config 145 of the 2012 program, whose logged results are the paper's. Windows round up and read
# zeros past the right and bottom edge; normalisation stays inside a tower and divides alpha;
# conv1's comes before its ReLU; conv2 has a second one within each map; conv3-5 start at 0.03.
MUSEUM: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, rounding="ceil", init=gaussian(0.01)),
    ResponseNorm(name="norm1", size=5, alpha=1e-4, beta=0.75, k=2.0, divided=True, groups=2),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    Relu(name="relu1"),
    Conv(name="conv2", filters=256, kernel=5, padding=2, groups=2, rounding="ceil", init=gaussian(0.01, bias=1)),
    Relu(name="relu2"),
    ResponseNorm(name="norm2", size=5, alpha=1e-4, beta=0.75, k=2.0, divided=True, groups=2),
    MapNorm(name="mapnorm2", size=5, alpha=1e-3, beta=0.75),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv3", filters=384, kernel=3, padding=1, rounding="ceil", init=gaussian(0.03)),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, padding=1, groups=2, rounding="ceil", init=gaussian(0.03, bias=1)),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, groups=2, rounding="ceil", init=gaussian(0.03, bias=1)),
    Pool(name="pool5", kind="max", kernel=3, stride=2, rounding="ceil"),
    Relu(name="relu5"),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=gaussian(0.01, bias=1)),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5, scaled=False),
    Linear(name="fc7", features=4096, init=gaussian(0.01, bias=1)),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5, scaled=False),
    Linear(name="fc8", features=0, init=gaussian(0.01)),
)

# Caffe's bvlc_alexnet: the paper's order, k = 1, alpha divided, sums over both groups; pools round up.
CAFFE: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, init=gaussian(0.01)),
    Relu(name="relu1"),
    ResponseNorm(name="norm1", size=5, alpha=1e-4, beta=0.75, k=1.0, divided=True),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv2", filters=256, kernel=5, padding=2, groups=2, init=gaussian(0.01, bias=0.1)),
    Relu(name="relu2"),
    ResponseNorm(name="norm2", size=5, alpha=1e-4, beta=0.75, k=1.0, divided=True),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv3", filters=384, kernel=3, padding=1, init=gaussian(0.01)),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=0.1)),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=0.1)),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2, rounding="ceil"),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=gaussian(0.005, bias=0.1)),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=4096, init=gaussian(0.005, bias=0.1)),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5),
    Linear(name="fc8", features=0, init=gaussian(0.01)),
)

# Caffe's reference CaffeNet: pooling before normalisation, and the biases of 0.1 start at 1.
CAFFENET: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, init=gaussian(0.01)),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    ResponseNorm(name="norm1", size=5, alpha=1e-4, beta=0.75, k=1.0, divided=True),
    Conv(name="conv2", filters=256, kernel=5, padding=2, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="ceil"),
    ResponseNorm(name="norm2", size=5, alpha=1e-4, beta=0.75, k=1.0, divided=True),
    Conv(name="conv3", filters=384, kernel=3, padding=1, init=gaussian(0.01)),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, groups=2, init=gaussian(0.01, bias=1)),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2, rounding="ceil"),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=gaussian(0.005, bias=1)),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=4096, init=gaussian(0.005, bias=1)),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5),
    Linear(name="fc8", features=0, init=gaussian(0.01)),
)

# torchvision's alexnet, after «One weird trick»: one tower, no normalisation, padding 2 in conv1,
# dropout on the outputs of pool5 and fc6.
TORCHVISION: tuple[Layer, ...] = (
    Conv(name="conv1", filters=64, kernel=11, stride=4, padding=2, init=TORCH),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2),
    Conv(name="conv2", filters=192, kernel=5, padding=2, init=TORCH),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=3, stride=2),
    Conv(name="conv3", filters=384, kernel=3, padding=1, init=TORCH),
    Relu(name="relu3"),
    Conv(name="conv4", filters=256, kernel=3, padding=1, init=TORCH),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, init=TORCH),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2),
    AdaptivePool(name="avgpool", size=6),
    Flatten(name="flatten"),
    Dropout(name="drop5", p=0.5),
    Linear(name="fc6", features=4096, init=TORCH),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=4096, init=TORCH),
    Relu(name="relu7"),
    Linear(name="fc8", features=0, init=TORCH),
)
TORCHVISION_NAMES = (
    ("conv1", "features.0"),
    ("conv2", "features.3"),
    ("conv3", "features.6"),
    ("conv4", "features.8"),
    ("conv5", "features.10"),
    ("fc6", "classifier.1"),
    ("fc7", "classifier.4"),
    ("fc8", "classifier.6"),
)

# The Gluon tutorial's net for Fashion-MNIST: one channel, one tower, no padding in conv1.
GLUON: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, init=GLOROT),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2),
    Conv(name="conv2", filters=256, kernel=5, padding=2, init=GLOROT),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=3, stride=2),
    Conv(name="conv3", filters=384, kernel=3, padding=1, init=GLOROT),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, padding=1, init=GLOROT),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, padding=1, init=GLOROT),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=GLOROT),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=4096, init=GLOROT),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5),
    Linear(name="fc8", features=0, init=GLOROT),
)

# The LeNet that the same tutorial compares with.
LENET: tuple[Layer, ...] = (
    Conv(name="conv1", filters=20, kernel=5, init=GLOROT),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=2, stride=2),
    Conv(name="conv2", filters=50, kernel=3, init=GLOROT),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=2, stride=2),
    Flatten(name="flatten"),
    Linear(name="fc3", features=128, init=GLOROT),
    Relu(name="relu3"),
    Linear(name="fc4", features=0, init=GLOROT),
)

# The half-width tutorial's net: one of the paper's towers, whose conv3 sees only its own maps.
HALF: tuple[Layer, ...] = (
    Conv(name="conv1", filters=48, kernel=11, stride=4, padding=2, init=KAIMING),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2),
    Conv(name="conv2", filters=128, kernel=5, padding=2, init=KAIMING),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=3, stride=2),
    Conv(name="conv3", filters=192, kernel=3, padding=1, init=KAIMING),
    Relu(name="relu3"),
    Conv(name="conv4", filters=192, kernel=3, padding=1, init=KAIMING),
    Relu(name="relu4"),
    Conv(name="conv5", filters=128, kernel=3, padding=1, init=KAIMING),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2),
    Flatten(name="flatten"),
    Dropout(name="drop5", p=0.5),
    Linear(name="fc6", features=2048, init=gaussian(0.01)),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=2048, init=gaussian(0.01)),
    Relu(name="relu7"),
    Linear(name="fc8", features=0, init=gaussian(0.01)),
)

# The Keras tutorial's net for MNIST: TensorFlow's «same» padding, batch normalisation after the
# ReLU. Its values may be negative, so the pools' padding is minus infinity, never zero.
KERAS: tuple[Layer, ...] = (
    Conv(name="conv1", filters=96, kernel=11, stride=4, rounding="same", init=GLOROT),
    Relu(name="relu1"),
    BatchNorm(name="norm1", momentum=0.01, epsilon=1e-3),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="same"),
    Conv(name="conv2", filters=256, kernel=5, rounding="same", init=GLOROT),
    Relu(name="relu2"),
    BatchNorm(name="norm2", momentum=0.01, epsilon=1e-3),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="same"),
    Conv(name="conv3", filters=384, kernel=3, rounding="same", init=GLOROT),
    Relu(name="relu3"),
    Conv(name="conv4", filters=384, kernel=3, rounding="same", init=GLOROT),
    Relu(name="relu4"),
    Conv(name="conv5", filters=256, kernel=3, rounding="same", init=GLOROT),
    Relu(name="relu5"),
    Pool(name="pool5", kind="max", kernel=3, stride=2, rounding="same"),
    Flatten(name="flatten"),
    Linear(name="fc6", features=4096, init=GLOROT),
    Relu(name="relu6"),
    Dropout(name="drop6", p=0.5),
    Linear(name="fc7", features=2048, init=GLOROT),
    Relu(name="relu7"),
    Dropout(name="drop7", p=0.5),
    Linear(name="fc8", features=0, init=GLOROT),
)

# The 2012 program's CIFAR-10 nets: all pools 3/2 rounding up.
CIFAR_19PCT: tuple[Layer, ...] = (
    Conv(name="conv1", filters=32, kernel=5, padding=2, rounding="ceil", init=gaussian(1e-4)),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv2", filters=32, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu2"),
    Pool(name="pool2", kind="avg", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv3", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu3"),
    Pool(name="pool3", kind="avg", kernel=3, stride=2, rounding="ceil"),
    Flatten(name="flatten"),
    Linear(name="fc4", features=0, init=gaussian(0.01)),
)
CIFAR_18PCT: tuple[Layer, ...] = (
    Conv(name="conv1", filters=32, kernel=5, padding=2, rounding="ceil", init=gaussian(1e-4)),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    MapNorm(name="norm1", size=3, alpha=5e-5, beta=0.75),
    Conv(name="conv2", filters=32, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu2"),
    Pool(name="pool2", kind="avg", kernel=3, stride=2, rounding="ceil"),
    MapNorm(name="norm2", size=3, alpha=5e-5, beta=0.75),
    Conv(name="conv3", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu3"),
    Pool(name="pool3", kind="avg", kernel=3, stride=2, rounding="ceil"),
    Flatten(name="flatten"),
    Linear(name="fc4", features=0, init=gaussian(0.01)),
)
CIFAR_13PCT: tuple[Layer, ...] = (
    Conv(name="conv1", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(1e-4)),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    Conv(name="conv2", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu2"),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="ceil"),
    Local(name="local3", filters=32, kernel=3, padding=1, init=gaussian(0.04)),
    Relu(name="relu3"),
    Local(name="local4", filters=32, kernel=3, padding=1, init=gaussian(0.04)),
    Relu(name="relu4"),
    Flatten(name="flatten"),
    Linear(name="fc5", features=0, init=gaussian(0.01)),
)
CIFAR_11PCT: tuple[Layer, ...] = (
    Conv(name="conv1", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(1e-4)),
    Relu(name="relu1"),
    Pool(name="pool1", kind="max", kernel=3, stride=2, rounding="ceil"),
    ResponseNorm(name="norm1", size=9, alpha=1e-3, beta=0.75, k=1.0, divided=True),
    Conv(name="conv2", filters=64, kernel=5, padding=2, rounding="ceil", init=gaussian(0.01)),
    Relu(name="relu2"),
    ResponseNorm(name="norm2", size=9, alpha=1e-3, beta=0.75, k=1.0, divided=True),
    Pool(name="pool2", kind="max", kernel=3, stride=2, rounding="ceil"),
    Local(name="local3", filters=64, kernel=3, padding=1, init=gaussian(0.04)),
    Relu(name="relu3"),
    Local(name="local4", filters=32, kernel=3, padding=1, init=gaussian(0.04)),
    Relu(name="relu4"),
    Flatten(name="flatten"),
    Linear(name="fc5", features=0, init=gaussian(0.01)),
)

_TABLE = (
    NetworkSpec(
        name="paper",
        title="the paper as printed, two towers",
        source="Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3",
        layers=PAPER,
        channels=3,
        image_size=227,
        classes=1000,
    ),
    NetworkSpec(
        name="museum",
        title="the program that won in 2012, to the last detail",
        source="2012 program, layers/layers-145.cfg",
        layers=MUSEUM,
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="museum-half",
        title="museum with one tower (the «one GPU» net)",
        source="2012 program, layers/layers-145-half.cfg",
        layers=changed(
            MUSEUM,
            conv1={"filters": 48},
            norm1={"groups": 1},
            conv2={"filters": 128, "groups": 1},
            norm2={"groups": 1},
            conv3={"filters": 192},
            conv4={"filters": 192, "groups": 1},
            conv5={"filters": 256, "groups": 1},
        ),
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="museum-no-overlap",
        title="museum with pools that do not overlap",
        source="2012 program, layers/layers-147.cfg",
        layers=changed(
            MUSEUM,
            pool1={"kernel": 2},
            conv2={"padding": 1},
            pool2={"kernel": 2},
            conv5={"padding": 0},
            pool5={"kernel": 2},
        ),
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="museum-no-norm",
        title="museum without its three normalisations",
        source="2012 program, layers/layers-148.cfg",
        layers=changed(MUSEUM, norm1=None, norm2=None, mapnorm2=None),
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="museum-no-links",
        title="museum whose towers meet only in fc8",
        source="2012 program, layers/layers-150.cfg",
        layers=changed(
            MUSEUM,
            conv2={"filters": 320},
            conv3={"groups": 2},
            fc6={"features": 8192, "groups": 2},
            fc7={"groups": 2},
        ),
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="museum-conv6",
        title="museum with a sixth convolution on its last pool",
        source="2012 program, layers/layers-146.cfg",
        layers=(
            *MUSEUM[:16],
            Conv(name="conv6", filters=256, kernel=3, padding=1, rounding="ceil", init=gaussian(0.03, bias=1)),
            Relu(name="relu_conv6"),
            *MUSEUM[16:],
        ),
        channels=3,
        image_size=224,
        classes=1000,
    ),
    NetworkSpec(
        name="one-tower",
        title="the paper's widths without towers",
        source="NIPS 2012, section 3, with every group joined",
        layers=changed(PAPER, conv2={"groups": 1}, conv4={"groups": 1}, conv5={"groups": 1}),
        channels=3,
        image_size=227,
        classes=1000,
    ),
    NetworkSpec(
        name="caffe",
        title="Caffe's AlexNet",
        source="BVLC/caffe, models/bvlc_alexnet",
        layers=CAFFE,
        channels=3,
        image_size=227,
        classes=1000,
    ),
    NetworkSpec(
        name="caffenet",
        title="Caffe's reference CaffeNet",
        source="BVLC/caffe, models/bvlc_reference_caffenet",
        layers=CAFFENET,
        channels=3,
        image_size=227,
        classes=1000,
    ),
    NetworkSpec(
        name="torchvision",
        title="torchvision's alexnet, «One weird trick»",
        source="torchvision.models.alexnet; Krizhevsky 2014",
        layers=TORCHVISION,
        channels=3,
        image_size=224,
        classes=1000,
        state_names=TORCHVISION_NAMES,
    ),
    NetworkSpec(
        name="gluon",
        title="the Gluon tutorial's AlexNet for Fashion-MNIST",
        source="Gluon AlexNet tutorial",
        layers=GLUON,
        channels=1,
        image_size=224,
        classes=10,
    ),
    NetworkSpec(
        name="lenet",
        title="the LeNet beside it",
        source="Gluon AlexNet tutorial",
        layers=LENET,
        channels=1,
        image_size=28,
        classes=10,
    ),
    NetworkSpec(
        name="half",
        title="the half-width net for CIFAR and flowers",
        source="half-width PyTorch tutorial",
        layers=HALF,
        channels=3,
        image_size=224,
        classes=10,
    ),
    NetworkSpec(
        name="keras",
        title="the Keras net for MNIST, with batch normalisation",
        source="Keras MNIST tutorial",
        layers=KERAS,
        channels=1,
        image_size=28,
        classes=10,
    ),
    NetworkSpec(
        name="cifar-19pct",
        title="the author's CIFAR-10 net, 19 % error",
        source="2012 program, example-layers/layers-19pct.cfg",
        layers=CIFAR_19PCT,
        channels=3,
        image_size=32,
        classes=10,
    ),
    NetworkSpec(
        name="cifar-18pct",
        title="the author's CIFAR-10 net with normalisation within maps",
        source="2012 program, example-layers/layers-18pct.cfg",
        layers=CIFAR_18PCT,
        channels=3,
        image_size=32,
        classes=10,
    ),
    NetworkSpec(
        name="cifar-13pct",
        title="the author's CIFAR-10 net with unshared layers",
        source="2012 program, example-layers/layers-conv-local-13pct.cfg",
        layers=CIFAR_13PCT,
        channels=3,
        image_size=32,
        classes=10,
    ),
    NetworkSpec(
        name="cifar-11pct",
        title="the same with normalisation across maps",
        source="cuda-convnet, example-layers/layers-conv-local-11pct.cfg",
        layers=CIFAR_11PCT,
        channels=3,
        image_size=32,
        classes=10,
    ),
)
VARIANTS: dict[str, NetworkSpec] = {spec.name: spec for spec in _TABLE}
"""Every net by the name that users type."""


def find_variant(name: str) -> NetworkSpec:
    """The net of that name.

    Raises:
        ConfigError: there is none; the hint names the nearest.
    """
    if name not in VARIANTS:
        raise ConfigError(f"There is no model «{name}».", nearest(name, VARIANTS))
    return VARIANTS[name]
