"""Every net as an ONNX graph gives the answers of the torch module, from the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from alexnet.errors import WeightsError
from alexnet.model import AlexNet
from alexnet.spec import VARIANTS, PictureSpec, find_variant, smallest_input
from alexnet.spec.layers import Conv, Linear
from alexnet.weights import Card, write_weights
from alexnet.weights.graph import build_graph, write_graph

CLASSES = ("a", "b", "c")
OTHER_SIZES = [("torchvision", 150), ("half", 100), ("museum", 99), ("cifar-13pct", 32), ("keras", 45)]


def narrow(name: str, image_size: int | None = None) -> AlexNet:
    """The net with at most 16 filters and 32 features a layer, its statistics as after a training."""
    spec = find_variant(name).resized(classes=len(CLASSES), image_size=image_size)
    layers = tuple(
        replace(layer, filters=min(layer.filters, 16))
        if isinstance(layer, Conv)
        else replace(layer, features=min(layer.features, 32))
        if isinstance(layer, Linear)
        else layer
        for layer in spec.layers
    )
    net = AlexNet(replace(spec, layers=layers), torch.Generator().manual_seed(1)).eval()
    with torch.no_grad():
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        for parameter in net.parameters():  # so that pictures differ at the end, too
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
            else:
                parameter.uniform_(-0.1, 0.1)
    return net


def write(net: AlexNet, folder: Path) -> Path:
    spec, path = net.spec, folder / "model.safetensors"
    picture = PictureSpec(
        channels=spec.channels,
        size=spec.image_size,
        resize=spec.image_size,
        fit="stretch",
        scale=1.0,
        mean=(0.0,) * spec.channels,
        std=(1.0,) * spec.channels,
    )
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    write_weights(path, tensors, Card(variant=spec.name, picture=picture, classes=CLASSES))
    return path


@pytest.mark.parametrize(("name", "size"), [*((name, None) for name in VARIANTS), *OTHER_SIZES])
def test_the_graph_answers_as_the_module(name: str, size: int | None, tmp_path: Path) -> None:
    assert len(VARIANTS) == 19
    net = narrow(name, size)
    graph = write_graph(net.spec, write(net, tmp_path))
    assert graph == tmp_path / "model.onnx"
    assert graph.stat().st_size < 10_000, "the weights stay in their own file"
    onnx.checker.check_model(str(graph))
    pictures = torch.randn(3, net.spec.channels, net.spec.image_size, net.spec.image_size) * 20
    with torch.no_grad():
        expected = net(pictures).numpy()
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": pictures.numpy()})
    np.testing.assert_allclose(found, expected, atol=3e-6 * max(1, np.abs(expected).max()), rtol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max(), "different pictures, different answers"


def test_the_smallest_picture(tmp_path: Path) -> None:
    size = smallest_input(find_variant("half"))
    net = narrow("half", size)
    session = onnxruntime.InferenceSession(str(write_graph(net.spec, write(net, tmp_path))))
    pictures = torch.randn(1, 3, size, size)
    (found,) = session.run(None, {"pictures": pictures.numpy()})
    np.testing.assert_allclose(found, net(pictures).detach().numpy(), atol=1e-5)


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    path = write(narrow("lenet"), tmp_path)
    with pytest.raises(WeightsError, match="do not fit «half»"):
        build_graph(find_variant("half"), path)
    spec = find_variant("lenet").resized(classes=3)
    beheaded = replace(spec, layers=spec.layers[3:])
    with pytest.raises(WeightsError, match=r"it has no conv1\.bias, conv1\.weight"):
        build_graph(beheaded, path)
