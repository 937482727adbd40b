"""Looks at a net before its first step: whether it tells pictures apart, and which rate is stable.

Two things keep copies of AlexNet from starting. Where biases start at 1, the last hidden layer h is large and nearly
the same for every picture; a step of rate e then moves all logits together by e |h|² (p - y), and gradient descent with
momentum m is stable along that direction only while e E|h|² / K < 2 (1 + m) for K classes. And where the input is
small beside those biases, what differs between pictures drowns on its way up.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import logits_of
from .job import Job
from .step import Batch, batches, view
from .watch import guessing_loss

NUM_PICTURES = 64
WEAK_SHARE = 1e-5
"""Where pictures make up a smaller share of the last hidden layer, learning does not start in hundreds of steps."""
MARGIN = 0.5
"""The share of the largest stable rate that is taken: at the limit itself some seeds do not start (docs/log.md)."""
SURE_RATIO = 4.0
"""So many times the largest stable rate, a net does not come back from the first jump."""


@dataclass(frozen=True, kw_only=True)
class LayerSignal:
    """What comes out of a layer for different pictures.

    Args:
        rms: the root mean square of its values.
        share: the part of their energy that differs between pictures, from 0 to 1.
        gradient: the norm of its weights' gradient, divided by that of the weights.
    """

    name: str
    rms: float
    share: float
    gradient: float


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A net before its first step.

    Args:
        loss, guessing: of the first pictures, and of answering with the classes' shares.
        logits: the standard deviation of a logit between pictures.
        hidden: E|h|² in front of the last layer, with dropout as in training.
        share: the part of h's energy that differs between pictures.
        rate: the learning rate that the settings ask for.
        largest_rate: the largest stable one; None for Adam, whose steps have a size of their own.
        input_rms: of the pictures' values.
    """

    loss: float
    guessing: float
    logits: float
    hidden: float
    share: float
    rate: float
    largest_rate: float | None
    input_rms: float
    layers: tuple[LayerSignal, ...]

    @property
    def ratio(self) -> float:
        """How many times the largest stable rate is asked for."""
        return self.rate / self.largest_rate if self.largest_rate else 0.0

    @property
    def stable_rate(self) -> float:
        """The rate itself, or half the largest stable one, rounded down to one digit, if it is above that half."""
        if self.largest_rate is None or self.ratio <= MARGIN:
            return self.rate
        rate = MARGIN * self.largest_rate
        digit = 10.0 ** math.floor(math.log10(rate))
        return float(f"{math.floor(rate / digit) * digit:.1g}")

    def verdicts(self) -> dict[str, str]:
        """What is foretold, by kind: `not finite`, `diverges`, `jumps`, `stuck`; empty for a net that will start."""
        found = {}
        if not math.isfinite(self.loss):
            found["not finite"] = (
                f"The loss is {self.loss} before the first step: the input or the weights are too large."
            )
        if self.ratio > SURE_RATIO:
            found["diverges"] = f"{self._too_large()} the loss will jump and not come back. {self._stable()}"
        elif self.ratio > 1:
            found["jumps"] = f"{self._too_large()} the loss will jump first, and may not come back. {self._stable()}"
        if self.share < WEAK_SHARE:
            found["stuck"] = self._why_stuck()
        return found

    def _too_large(self) -> str:
        return (
            f"The rate {self.rate:g} is {self.ratio:.1f} times the largest that is stable for this net and data"
            f" ({self.largest_rate:.2g}):"
        )

    def _stable(self) -> str:
        return f"Stable is --lr {self.stable_rate:g}."

    def _why_stuck(self) -> str:
        before, after = self._drop()
        return (
            f"Different pictures look the same to the last layer (they differ by {self.share:.1g} of its energy):"
            f" learning will be slow or not start. They get lost between {before} and {after}, where biases outweigh"
            f" the signal; the input's values are about {self.input_rms:.2g}. Give larger ones"
            " (--set picture.scale=1 --set picture.std=1 for values 0..255), or take a net whose initial values keep"
            " the scale (--model half)."
        )

    def _drop(self) -> tuple[str, str]:
        """The neighbours between which most of the pictures' share is lost."""
        pairs = list(zip(self.layers, self.layers[1:], strict=False))
        before, after = max(pairs, key=lambda pair: pair[0].share / max(pair[1].share, 1e-30))
        return before.name, after.name


@contextlib.contextmanager
def _untouched(job: Job) -> Iterator[None]:
    """Leaves generators, buffers, gradients and mode as they were: a run is the same with the check and without."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    buffers = [(buffer, buffer.clone()) for buffer in job.net.buffers()]
    was_training = job.net.training
    with torch.random.fork_rng(devices=devices):
        yield
    for buffer, value in buffers:
        buffer.copy_(value)
    job.net.train(was_training)
    job.optimiser.zero_grad(set_to_none=True)


@contextlib.contextmanager
def _outputs(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Fills `float32[B, …]` for each layer with weights, by name, and the last one's input as «hidden»."""
    found: dict[str, Tensor] = {}
    layers = [
        (name, module) for name, module in net.named_children() if isinstance(getattr(module, "weight", None), Tensor)
    ]

    def keep(name: str, value: Tensor) -> None:
        found[name] = value.detach().float().flatten(1)

    hooks = [module.register_forward_hook(lambda _m, _i, out, name=name: keep(name, out)) for name, module in layers]
    hooks.append(layers[-1][1].register_forward_pre_hook(lambda _m, inputs: keep("hidden", inputs[0])))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _share(values: Tensor) -> float:
    """The part of the energy of `float32[B, N]` that differs between its rows."""
    return float(values.var(0, unbiased=False).sum() / values.square().sum(1).mean().clamp(min=1e-30))


def _gradients(net: nn.Module) -> dict[str, float]:
    """The norm of each weight's gradient, divided by that of the weight, by layer."""
    return {
        name.removesuffix(".weight"): float(parameter.grad.norm() / parameter.detach().norm().clamp(min=1e-30))
        for name, parameter in net.named_parameters()
        if name.endswith(".weight") and parameter.grad is not None
    }


def check_signal(job: Job) -> Signal:
    """Shows a net some training pictures forward and back; nothing of the run is changed."""
    training, optim = job.config.training, job.config.optim
    whole = next(batches(job, 0))
    count = min(max(len(whole.index), 2), NUM_PICTURES)
    pictures, labels = view(job, 0, Batch(index=whole.index[:count], leaders=whole.leaders[:count]))
    with _untouched(job), _outputs(job.net) as found:
        job.net.train()
        loss = F.cross_entropy(
            logits_of(job.net, pictures, job.machine), labels, label_smoothing=training.label_smoothing
        )
        loss.backward()  # type: ignore[no-untyped-call]
        hidden, gradients = float(found["hidden"].square().sum(1).mean()), _gradients(job.net)
        job.net.eval()
        with torch.no_grad():
            logits = logits_of(job.net, pictures, job.machine)
        share = _share(found.pop("hidden"))
        layers = tuple(
            LayerSignal(
                name=name,
                rms=float(value.square().mean().sqrt()),
                share=_share(value),
                gradient=gradients.get(name, 0.0),
            )
            for name, value in found.items()
        )
    is_sgd = optim.rule == "sgd" and hidden > 0
    return Signal(
        loss=float(loss.detach()),
        guessing=guessing_loss(job.data.splits["train"].labels),
        logits=float(logits.std(0, unbiased=False).mean()),
        hidden=hidden,
        share=share,
        rate=optim.lr,
        largest_rate=2 * (1 + optim.momentum) * logits.shape[1] / hidden if is_sgd else None,
        input_rms=float(pictures.square().mean().sqrt()),
        layers=layers,
    )
