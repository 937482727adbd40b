"""The `keras` variant against Keras itself, layer by layer and as a whole, with copied weights."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexnet.model import AlexNet
from alexnet.spec import VARIANTS, NetworkSpec
from alexnet.spec.layers import Conv, Init, Layer, Pool

# The tutorial's layers that have weights, in order.
WEIGHTED = ("conv1", "norm1", "conv2", "norm2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def built_of(layer: Layer, size: int) -> AlexNet:
    spec = NetworkSpec(name="tiny", title="", source="", layers=(layer,), channels=2, image_size=size, classes=2)
    return AlexNet(spec, torch.Generator().manual_seed(1)).eval()


def draws(*shape: int, shift: float = 0.0) -> NDArray[np.float32]:
    return (np.random.default_rng(sum(shape)).normal(size=shape) + shift).astype(np.float32)


def channels_last(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))


@pytest.fixture(scope="module")
def tutorial(keras: types.ModuleType) -> object:
    """The tutorial's net, as its Keras code states it; ReLUs are inside the layers, softmax is left out."""
    layers = keras.layers
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(96, 11, strides=4, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Conv2D(256, 5, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Conv2D(384, 3, padding="same", activation="relu"),
            layers.Conv2D(384, 3, padding="same", activation="relu"),
            layers.Conv2D(256, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(4096, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(2048, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


@pytest.fixture(scope="module")
def copied(tutorial: object) -> AlexNet:
    """Ours with the tutorial's weights, after both got biases and running statistics that are not the initial ones."""
    rng = np.random.default_rng(5)
    net = AlexNet(VARIANTS["keras"], torch.Generator().manual_seed(6)).eval()
    modules = dict(net.named_children())
    theirs = [layer for layer in tutorial.layers if layer.weights]
    with torch.no_grad():
        for name, layer in zip(WEIGHTED, theirs, strict=True):
            module, shape = modules[name], tuple(layer.weights[-1].shape)
            targets = [module.weight, module.bias]
            if name.startswith("norm"):
                layer.gamma.assign(rng.uniform(0.5, 2, shape))
                layer.beta.assign(rng.normal(size=shape) - 1)
                layer.moving_mean.assign(rng.normal(size=shape) / 4)
                layer.moving_variance.assign(rng.uniform(0.1, 2, shape))
                targets += [module.running_mean, module.running_var]
            else:
                layer.bias.assign(rng.normal(size=shape) / 10)
            for target, source in zip(targets, layer.weights, strict=True):
                order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[len(source.shape)]
                target.copy_(source.value.permute(order))
    return net


@pytest.mark.parametrize(("size", "kernel", "stride"), [(28, 11, 4), (4, 5, 1), (2, 3, 1), (7, 4, 2), (9, 3, 4)])
def test_same_convolution_is_keras(keras: types.ModuleType, size: int, kernel: int, stride: int) -> None:
    init = Init(rule="normal", std=0.3, bias=0.2)
    net = built_of(Conv(name="conv1", filters=3, kernel=kernel, stride=stride, rounding="same", init=init), size)
    pixels = draws(2, 2, size, size)
    with torch.no_grad():
        found = net(torch.from_numpy(pixels)).numpy()
        weight = net.conv1.weight.permute(2, 3, 1, 0).contiguous()
        theirs = keras.ops.conv(channels_last(pixels), weight, strides=stride, padding="same") + 0.2
    np.testing.assert_allclose(channels_last(found), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"), [(28, 11, 4, 3, 4), (4, 5, 1, 2, 2), (2, 3, 1, 1, 1)]
)
def test_same_convolution_is_the_printed_padding(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    init = Init(rule="normal", std=0.3)
    net = built_of(Conv(name="conv1", filters=3, kernel=kernel, stride=stride, rounding="same", init=init), size)
    pixels = torch.from_numpy(draws(2, 2, size, size))
    padded = torch.nn.functional.pad(pixels, (before, after, before, after))
    expected = torch.conv2d(padded, net.conv1.weight, stride=stride)
    torch.testing.assert_close(net(pixels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (4, 3, 2), (2, 3, 2), (6, 4, 2), (4, 5, 2)])
@pytest.mark.parametrize("shift", [0.0, -9.0])
def test_same_max_pool_is_keras(keras: types.ModuleType, size: int, kernel: int, stride: int, shift: float) -> None:
    net = built_of(Pool(name="pool1", kind="max", kernel=kernel, stride=stride, rounding="same"), size)
    pixels = draws(2, 2, size, size, shift=shift)
    theirs = keras.ops.max_pool(channels_last(pixels), kernel, stride, padding="same")
    found = net(torch.from_numpy(pixels)).numpy()
    np.testing.assert_array_equal(channels_last(found), theirs.detach().numpy())


def test_tutorial_has_as_many_parameters(tutorial: object, copied: AlexNet) -> None:
    assert tutorial.count_params() == 13_189_194
    trainable = sum(int(np.prod(weight.shape)) for weight in tutorial.trainable_weights)
    assert trainable == sum(parameter.numel() for parameter in copied.parameters()) == 13_188_490


def test_whole_net_is_keras_in_evaluation(tutorial: object, copied: AlexNet) -> None:
    pixels = draws(3, 1, 28, 28)
    with torch.no_grad():
        found = copied(torch.from_numpy(pixels)).numpy()
        normed = copied.norm1(copied.relu1(copied.conv1(torch.from_numpy(pixels))))
        expected = tutorial(channels_last(pixels), training=False).detach().numpy()
    assert normed.min() < 0, "the pools have negative values at their edges"
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_batch_normalisation_settings_are_keras(tutorial: object, copied: AlexNet) -> None:
    theirs = [layer for layer in tutorial.layers if hasattr(layer, "moving_mean")]
    for ours, layer in zip((copied.norm1, copied.norm2), theirs, strict=True):
        assert ours.eps == pytest.approx(layer.epsilon)
        assert ours.momentum == pytest.approx(1 - layer.momentum)
