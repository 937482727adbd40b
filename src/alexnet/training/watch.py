"""Watches a training for a net that does not learn, and says once what is seen, why, and what mends it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .job import Job
from .state import Sums

CHANCE_STEPS = 200
"""A mean loss like that of guessing over so many updates is no slow start any more."""
CHANCE_SHARE = 0.985
DEAD_SHARE = 0.97
EXPLODED_LOSS = 5.0
EXPLODED_NORM = 10.0
TIMID_RATIO = 50.0


def guessing_loss(labels: NDArray[np.int64]) -> float:
    """The cross-entropy of answering each picture with the classes' shares: ln(K) for K classes of one size."""
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _note_living(living: dict[str, Tensor], name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        units = (output.detach() > 0).transpose(0, 1).flatten(1).any(1)
        living[name] = units | living[name] if name in living else units

    return hook


@contextlib.contextmanager
def watch_units(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Fills, for each ReLU by name, `bool[C]`: the units (channels) that were above zero for any picture."""
    living: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(_note_living(living, name))
        for name, module in net.named_modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        yield living
    finally:
        for hook in hooks:
            hook.remove()


def norm_of(net: nn.Module) -> float:
    """The Euclidean norm of all parameters."""
    squares = [parameter.detach().float().square().sum() for parameter in net.parameters()]
    return float(torch.stack(squares).sum().sqrt())


class Watch:
    """Looks at a job whenever a line of its history is written."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.guessing = guessing_loss(job.data.splits["train"].labels)
        self.dead: dict[str, float] = {}
        if job.state.first_norm == 0:
            job.state.first_norm = norm_of(job.net)

    @contextlib.contextmanager
    def looking(self, wanted: bool) -> Iterator[None]:
        """Counts dead units during one update."""
        if not wanted:
            yield
            return
        with watch_units(self.job.net) as living:
            yield
        self.dead = {name: 1 - float(units.float().mean()) for name, units in living.items()}

    def judge(self, loss: float) -> None:
        """Gives advice where the last updates call for it; each kind once in a run.

        Args:
            loss: the mean since the line before.
        """
        state = self.job.state
        worst = max(self.dead, key=lambda name: self.dead[name], default="")
        norm = norm_of(self.job.net)
        if worst and self.dead[worst] >= DEAD_SHARE:
            self._say(
                "dead",
                f"{self.dead[worst]:.0%} of the units of {worst} are zero for every picture and learn nothing"
                " any more: the rate was too large for them.",
                self._smaller_rate(),
            )
        if state.step - state.recent_since >= CHANCE_STEPS:
            if CHANCE_SHARE * self.guessing <= state.recent.rates()["loss"] < 2 * self.guessing:
                self._say("chance", self._why_at_chance(), self._advice_at_chance())
            state.recent, state.recent_since = Sums(), state.step
        if self.guessing and loss > EXPLODED_LOSS * self.guessing:
            text = f"The loss is {loss:.3g}; guessing has {self.guessing:.3f}. The updates overshoot."
            self._say("loss", text, self._smaller_rate())
        if norm > EXPLODED_NORM * state.first_norm:
            text = f"The weights have grown from a norm of {state.first_norm:.3g} to {norm:.3g}."
            self._say("norm", text, self._smaller_rate())

    def _why_at_chance(self) -> str:
        state = self.job.state
        steps, loss = state.step - state.recent_since, state.recent.rates()["loss"]
        return f"The mean loss of the last {steps} updates is {loss:.3f}; guessing has {self.guessing:.3f}."

    def _advice_at_chance(self) -> str:
        """What the signal check before the first step suggests: more signal, a larger rate or a smaller one."""
        found = self.job.folder.read_signal()
        if "stuck" in found.get("verdicts", {}):
            return str(found["verdicts"]["stuck"])
        rate, largest = self.job.config.optim.lr, found.get("largest_rate")
        if largest and rate < largest / TIMID_RATIO:
            return f"The rate {rate:g} is far below what is stable: train anew with --lr {10 * rate:.1g}, or --find-lr."
        return self._smaller_rate()

    def _smaller_rate(self) -> str:
        job = self.job
        return (
            f"Train anew with a smaller rate, such as --lr {job.config.optim.lr / 10:.1g}, or look for one: --find-lr."
        )

    def _say(self, kind: str, text: str, advice: str) -> None:
        job = self.job
        if kind in job.state.said:
            return
        job.state.said = (*job.state.said, kind)
        job.reporter.note(f"Step {job.state.step}: {text} {advice}")
        job.folder.append_advice({"step": job.state.step, "kind": kind, "text": text, "advice": advice})
