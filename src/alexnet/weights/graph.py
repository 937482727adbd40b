"""A net as an ONNX graph, made from its description alone; torch has no part in it.

The graph holds no weights: it points into the safetensors file beside it, whose raw tensors are laid out as ONNX wants
them. Input `pictures`: `float32[N, C, S, S]`, as `PictureSpec` makes them. Output `logits`: `float32[N, K]`.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..errors import WeightsError
from ..runs import write_bytes
from ..spec import LayerFacts, NetworkSpec, compute, window_of
from ..spec.layers import (
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
from .card import MEAN_IMAGE
from .tensors import header_digest

OPSET = 18
IR_VERSION = 9
"""What every run-time of the last years reads."""


def stored_tensors(path: Path) -> dict[str, tuple[int, int, tuple[int, ...]]]:
    """(first byte, number of bytes, shape) of each tensor in a safetensors file, by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {
        name: (
            8 + length + facts["data_offsets"][0],
            facts["data_offsets"][1] - facts["data_offsets"][0],
            tuple(facts["shape"]),
        )
        for name, facts in header.items()
        if name != "__metadata__"
    }


class _Graph:
    """Nodes and constants, one after the other; `last` is the name of the value that comes out so far."""

    def __init__(self, network: NetworkSpec, weights: Path) -> None:
        self.names, self.stored, self.location = dict(network.state_names), stored_tensors(weights), weights.name
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.last, self.count = "pictures", 0

    def weight(self, layer: str, entry: str) -> str:
        """The name of a stored tensor of a layer, declared as data that lies in the weights file."""
        name = f"{self.names.get(layer, layer)}.{entry}"
        offset, length, shape = self.stored[name]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.location), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        if all(known.name != name for known in self.tensors):
            self.tensors.append(tensor)
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """The name of a small array that the graph itself holds."""
        self.count += 1
        self.tensors.append(numpy_helper.from_array(value, f"constant{self.count}"))
        return f"constant{self.count}"

    def add(self, operation: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """One more node; the names of its outputs, the first of which is `last` from now on."""
        self.count += 1
        names = [f"{operation.lower()}{self.count}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operation, list(inputs), names, **attributes))
        self.last = names[0]
        return names

    def split(self, value: str, parts: int, size: int) -> list[str]:
        """`parts` equal shares of the channels of a value, each of `size`."""
        sizes = self.constant(np.full(parts, size, np.int64))
        return self.add("Split", value, sizes, outputs=parts, axis=1)


def _pads(row: LayerFacts) -> list[int]:
    layer = row.layer
    assert isinstance(layer, Conv | Pool | Local)
    rows, columns = window_of(layer, row.input[1]), window_of(layer, row.input[2])
    return [rows.before, columns.before, rows.after, columns.after]


def _add_conv(graph: _Graph, layer: Conv, row: LayerFacts) -> None:
    weight, bias = graph.weight(layer.name, "weight"), graph.weight(layer.name, "bias")
    sides: dict[str, Any] = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    graph.add("Conv", graph.last, weight, bias, group=layer.groups, pads=_pads(row), **sides)


def _add_local(graph: _Graph, layer: Local, row: LayerFacts) -> None:
    """Each position's patch times its own weights: shifted views of the padded map, stacked, as a batch of products."""
    channels = row.input[0]
    filters, high, wide = row.output
    pads = [0, 0, layer.padding, layer.padding] * 2
    padded = graph.add("Pad", graph.last, graph.constant(np.array(pads, np.int64)))[0]
    views = []
    for y in range(layer.kernel):
        for x in range(layer.kernel):
            bounds = [np.array(part, np.int64) for part in ([y, x], [y + high, x + wide], [2, 3])]
            view = graph.add("Slice", padded, *[graph.constant(bound) for bound in bounds])[0]
            views.append(graph.add("Unsqueeze", view, graph.constant(np.array([2], np.int64)))[0])
    graph.add("Concat", *views, axis=2)  # [N, C, k², H, W]: the order of the weight's columns
    graph.add("Transpose", graph.last, perm=[3, 4, 0, 1, 2])
    shape = np.array([high * wide, -1, channels * layer.kernel**2], np.int64)
    patches = graph.add("Reshape", graph.last, graph.constant(shape))[0]
    weight = graph.add("Transpose", graph.weight(layer.name, "weight"), perm=[0, 2, 1])[0]
    product = graph.add("MatMul", patches, weight)[0]  # [H·W, N, filters]
    bias = graph.add("Unsqueeze", graph.weight(layer.name, "bias"), graph.constant(np.array([1], np.int64)))[0]
    graph.add("Add", product, bias)
    graph.add("Transpose", graph.last, perm=[1, 2, 0])
    graph.add("Reshape", graph.last, graph.constant(np.array([-1, filters, high, wide], np.int64)))


def _add_linear(graph: _Graph, layer: Linear, row: LayerFacts) -> None:
    weight, bias = graph.weight(layer.name, "weight"), graph.weight(layer.name, "bias")
    if layer.groups == 1:
        graph.add("Gemm", graph.last, weight, bias, transB=1)
        return
    inputs, outputs = row.input[0] // layer.groups, row.output[0] // layer.groups
    shares = graph.split(graph.last, layer.groups, inputs)
    sizes = graph.constant(np.full(layer.groups, outputs, np.int64))
    weights = graph.add("Split", weight, sizes, outputs=layer.groups, axis=0)
    biases = graph.add("Split", bias, sizes, outputs=layer.groups, axis=0)
    parts = [graph.add("Gemm", *part, transB=1)[0] for part in zip(shares, weights, biases, strict=True)]
    graph.add("Concat", *parts, axis=1)


def _add_response_norm(graph: _Graph, layer: ResponseNorm, row: LayerFacts) -> None:
    alpha = layer.alpha if layer.divided else layer.alpha * layer.size  # ONNX divides by the size
    facts: dict[str, Any] = {"alpha": alpha, "beta": layer.beta, "bias": layer.k, "size": layer.size}
    if layer.groups == 1:
        graph.add("LRN", graph.last, **facts)
        return
    shares = graph.split(graph.last, layer.groups, row.input[0] // layer.groups)
    graph.add("Concat", *[graph.add("LRN", share, **facts)[0] for share in shares], axis=1)


def _add_map_norm(graph: _Graph, layer: MapNorm) -> None:
    a = graph.last
    graph.add("Mul", a, a)
    window: dict[str, Any] = {"kernel_shape": [layer.size] * 2, "pads": [layer.size // 2] * 4, "count_include_pad": 1}
    graph.add("AveragePool", graph.last, **window)
    graph.add("Mul", graph.last, graph.constant(np.array(layer.alpha, np.float32)))
    graph.add("Add", graph.last, graph.constant(np.array(1, np.float32)))
    graph.add("Pow", graph.last, graph.constant(np.array(-layer.beta, np.float32)))
    graph.add("Mul", a, graph.last)


def _add_pool(graph: _Graph, layer: Pool, row: LayerFacts) -> None:
    window: dict[str, Any] = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    pads = _pads(row)
    if layer.kind == "max":  # padding never wins
        graph.add("MaxPool", graph.last, pads=pads, **window)
    else:  # and is not counted
        graph.add("AveragePool", graph.last, pads=pads, count_include_pad=0, **window)


def _adaptive(size_in: int, size_out: int) -> NDArray[np.float32]:
    """`float32[out, in]`: each row averages its share of the line, as torch's adaptive pool."""
    weights = np.zeros((size_out, size_in), np.float32)
    for row in range(size_out):
        first, last = row * size_in // size_out, -(-(row + 1) * size_in // size_out)
        weights[row, first:last] = 1 / (last - first)
    return weights


def _add_adaptive_pool(graph: _Graph, layer: AdaptivePool, row: LayerFacts) -> None:
    _, high, wide = row.input
    if high == wide == layer.size:
        return
    rows, columns = graph.constant(_adaptive(high, layer.size)), graph.constant(_adaptive(wide, layer.size).T)
    graph.add("MatMul", rows, graph.last)
    graph.add("MatMul", graph.last, columns)


def _add_batch_norm(graph: _Graph, layer: BatchNorm) -> None:
    entries = [graph.weight(layer.name, entry) for entry in ("weight", "bias", "running_mean", "running_var")]
    graph.add("BatchNormalization", graph.last, *entries, epsilon=layer.epsilon)


def _add(graph: _Graph, row: LayerFacts) -> None:
    layer = row.layer
    match layer:
        case Conv():
            _add_conv(graph, layer, row)
        case Local():
            _add_local(graph, layer, row)
        case Linear():
            _add_linear(graph, layer, row)
        case ResponseNorm():
            _add_response_norm(graph, layer, row)
        case MapNorm():
            _add_map_norm(graph, layer)
        case BatchNorm():
            _add_batch_norm(graph, layer)
        case Pool():
            _add_pool(graph, layer, row)
        case AdaptivePool():
            _add_adaptive_pool(graph, layer, row)
        case Relu():
            graph.add("Relu", graph.last)
        case Flatten():
            graph.add("Flatten", graph.last)
        case Dropout():
            if not layer.scaled:
                graph.add("Mul", graph.last, graph.constant(np.array(1 - layer.p, np.float32)))
        case _:
            assert_never(layer)


def build_graph(network: NetworkSpec, weights: Path) -> onnx.ModelProto:
    """The graph of a net whose tensors lie in `weights`, a safetensors file; it must stay beside the graph.

    Args:
        network: as the file's card describes it.

    Raises:
        WeightsError: the file's tensors are not those of the net.
    """
    graph = _Graph(network, weights)
    try:
        for row in compute(network).layers:
            _add(graph, row)
    except KeyError as error:
        raise WeightsError(f"The tensors do not fit «{network.name}»: {error.args[0]} is missing.") from error
    unused = graph.stored.keys() - {tensor.name for tensor in graph.tensors} - {MEAN_IMAGE}
    if any(not name.endswith("num_batches_tracked") for name in unused):
        raise WeightsError(f"The tensors do not fit «{network.name}»: it has no {', '.join(sorted(unused))}.")
    graph.add("Identity", graph.last)
    graph.nodes[-1].output[0] = "logits"
    size = network.image_size
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["N", network.channels, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", network.classes])
    made = helper.make_graph(graph.nodes, network.name, [pictures], [logits], graph.tensors)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION, producer_name="alexnet")
    helper.set_model_props(model, {"weights": header_digest(weights)})
    return model


def write_graph(network: NetworkSpec, weights: Path) -> Path:
    """Writes the graph beside its weights, under their name with the ending `.onnx`.

    Raises:
        StorageError: it cannot be written.
    """
    target = weights.with_suffix(".onnx")
    write_bytes(target, build_graph(network, weights).SerializeToString())
    return target
