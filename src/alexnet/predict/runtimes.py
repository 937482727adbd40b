"""What computes a net's answers: ONNX Runtime, which starts in a tenth of a second, or torch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..data import Values
from ..errors import ConfigError, WeightsError
from ..weights import Card, find_weights, header_digest, read_weights, verify_weights


class Net(Protocol):
    """A net that is ready to answer."""

    name: str

    def probabilities(self, values: Values) -> NDArray[np.float32]:
        """`float32[B, K]` from `float32[B, C, S, S]`."""


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


class OnnxNet:
    """The net as a graph over its weights file, which is mapped into memory and not copied."""

    name = "onnx"

    def __init__(self, card: Card, weights: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        folder = str(weights.resolve().parent)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        # Weights in another order would be a copy of them all, which takes longer than many pictures.
        options.add_session_config_entry("session.disable_prepacking", "1")
        graph = _graph(card, weights)
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its kinds have no other parent
            why = str(error).splitlines()[0]
            raise WeightsError(f"The graph of {weights} cannot be used: {why}", "Remove model.onnx.") from error

    def probabilities(self, values: Values) -> NDArray[np.float32]:
        """`float32[B, K]` from `float32[B, C, S, S]`."""
        return _softmax(self.session.run(None, {"pictures": np.ascontiguousarray(values)})[0])


def _graph(card: Card, weights: Path) -> bytes:
    """The graph beside the weights, where it belongs to them; else one made now."""
    beside = weights.with_suffix(".onnx")
    if beside.exists():
        content = beside.read_bytes()
        if header_digest(weights).encode() in content:
            return content
    from ..weights.graph import build_graph

    return bytes(build_graph(card.network(), weights).SerializeToString())


class TorchNet:
    """The net as a torch module, on the CPU or a GPU, in float32."""

    name = "torch"

    def __init__(self, card: Card, weights: Path, device: str) -> None:
        import torch

        from ..model import AlexNet, choose_machine

        self.machine = choose_machine(device, "fp32")
        net = AlexNet(card.network())
        stored = read_weights(weights).tensors
        try:
            net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in stored.items()})
        except RuntimeError as error:
            raise WeightsError(f"The tensors do not fit «{card.variant}»: {error}") from error
        self.module = net.eval().to(self.machine.device)

    def probabilities(self, values: Values) -> NDArray[np.float32]:
        """`float32[B, K]` from `float32[B, C, S, S]`."""
        import torch

        from ..model import logits_of

        with torch.no_grad():
            pictures = torch.from_numpy(np.ascontiguousarray(values)).to(self.machine.device)
            return np.asarray(logits_of(self.module, pictures, self.machine).softmax(1).cpu().numpy())


def open_net(path: Path, device: str, runtime: str) -> tuple[Card, Net]:
    """The card and the net of a run folder or a weights file.

    Args:
        device: `auto`, `cpu` or `cuda`; a GPU is torch's.
        runtime: `auto`, `onnx` or `torch`; `auto` takes ONNX Runtime on the CPU.

    Raises:
        WeightsError: nothing is there, it is damaged, or does not fit.
        ConfigError: ONNX Runtime is asked for and a GPU too.
    """
    if runtime == "onnx" and device == "cuda":
        raise ConfigError("ONNX Runtime computes on the CPU here.", "Use --runtime torch with --device cuda.")
    weights = find_weights(path)
    card = verify_weights(weights)
    if runtime == "torch" or device == "cuda":
        return card, TorchNet(card, weights, device)
    return card, OnnxNet(card, weights)
