"""What the signal check foretells, held against what then happens."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet.config import RECIPES, make_config
from alexnet.data import epoch_order
from alexnet.errors import DivergedError
from alexnet.model import create
from alexnet.runs import RunFolder
from alexnet.spec import VARIANTS
from alexnet.spec.layers import Conv, Layer, Linear
from alexnet.spec.variants import MUSEUM, PAPER, changed
from alexnet.training import Silent, train_new
from alexnet.training.job import Job
from alexnet.training.prepare import open_pictures, prepare
from alexnet.training.signal_check import Signal, check_signal
from alexnet.training.step import batches, update
from alexnet.training.stop import StopSignals


def narrow(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The same net with narrow layers, its initial deviations larger as sums over fewer inputs are smaller."""
    widths = {"conv1": 16, "conv2": 32, "conv3": 48, "conv4": 48, "conv5": 32, "fc6": 256, "fc7": 256}
    wider = {"conv2": 3.0, "conv3": 3.0, "conv4": 3.0, "conv5": 3.0, "fc6": 10.0, "fc7": 4.0, "fc8": 4.0}
    changes: dict[str, dict[str, Any] | None] = {}
    for layer in layers:
        if isinstance(layer, Conv | Linear):
            init = replace(layer.init, std=layer.init.std * wider.get(layer.name, 1.0))
            size = {"filters" if isinstance(layer, Conv) else "features": widths.get(layer.name, 0)}
            changes[layer.name] = {"init": init, **size}
    return changed(layers, **changes)


@pytest.fixture(autouse=True)
def narrow_nets() -> Iterator[None]:
    """`paper` and `museum` with narrow layers, seeing 67 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        for name, layers in (("paper", PAPER), ("museum", MUSEUM)):
            spec = replace(VARIANTS[name], name=f"narrow-{name}", layers=narrow(layers), image_size=67)
            patch.setitem(VARIANTS, spec.name, spec)
            recipe = RECIPES[name]
            patch.setitem(RECIPES, spec.name, replace(recipe, model=replace(recipe.model, name=spec.name)))
        yield


def make_job(shapes: Path, model: str, **settings: Any) -> Job:
    paths = {f"{path.replace('__', '.')}": value for path, value in settings.items()}
    small = {"picture.resize": 75, "training.batch_size": 16, "training.precision": "fp32"}
    config = make_config(str(shapes), model, {**small, **paths})
    return prepare(config, RunFolder(Path("nowhere")), open_pictures(config, Silent()), Silent())


def train(job: Job, rate: float, steps: int) -> list[float]:
    """The training loss of each step; ends where it is not finite."""
    job.net.train()
    for group in job.optimiser.param_groups:
        group["lr"] = rate
    losses: list[float] = []
    while len(losses) < steps:
        for batch in batches(job, job.state.epoch):
            try:
                update(job, batch, StopSignals())
            except DivergedError:
                return [*losses, math.nan]
            losses.append(job.state.batch.loss / job.state.batch.n)
        job.state.epoch += 1
    return losses[:steps]


@pytest.mark.parametrize("model", ["narrow-paper", "narrow-museum"])
def test_the_largest_rate_is_that_of_the_formula(shapes: Path, model: str) -> None:
    """2 (1 + m) K / E|h|², with h, after dropout, taken from the modules by hand."""
    job = make_job(shapes, model)
    found = check_signal(job)
    index = epoch_order(0, 0, len(job.data.splits["train"]))[:16]
    assert next(batches(job, 0)).index.tolist() == index.tolist()
    hidden: list[torch.Tensor] = []
    job.net.fc8.register_forward_pre_hook(lambda _module, inputs: hidden.append(inputs[0].detach()))
    from alexnet.training.step import view

    job.net.train()
    pictures, _ = view(job, 0, next(batches(job, 0)))
    torch.manual_seed(0)
    estimates = []
    for _ in range(20):  # dropout's luck differs from that of the check
        job.net(pictures)
        estimates.append(float(hidden[-1].double().square().sum(1).mean()))
    assert found.hidden == pytest.approx(np.mean(estimates), rel=0.05)
    assert found.largest_rate == pytest.approx(2 * 1.9 * 3 / found.hidden)


def test_the_check_changes_nothing(shapes: Path) -> None:
    job, other = make_job(shapes, "keras", model__image_size=28), make_job(shapes, "keras", model__image_size=28)
    torch.manual_seed(5)
    check_signal(job)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
    for (name, value), expected in zip(job.net.state_dict().items(), other.net.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name
    assert all(parameter.grad is None for parameter in job.net.parameters())


@pytest.mark.parametrize("model", ["narrow-paper", "narrow-museum"])
def test_a_rate_below_the_largest_is_stable_and_one_far_above_is_not(shapes: Path, model: str) -> None:
    largest = check_signal(make_job(shapes, model)).largest_rate
    assert largest is not None
    calm = make_job(shapes, model, optim__lr=largest * 0.7)
    assert check_signal(calm).verdicts() == {}
    losses = train(calm, largest * 0.7, 36)
    assert max(losses) < 4 * math.log(3)
    assert np.mean(losses[-9:]) < np.mean(losses[:9])

    wild = make_job(shapes, model, optim__lr=largest * 12)
    assert set(check_signal(wild).verdicts()) == {"diverges"}
    losses = train(wild, largest * 12, 36)
    assert not np.isfinite(losses[-1]) or (max(losses) > 6 * math.log(3) and np.mean(losses[-9:]) > 0.95 * math.log(3))


def test_unit_variance_input_is_foretold_to_be_stuck(shapes: Path) -> None:
    """The paper's text taken literally with the input of today: biases of 1 outweigh what differs between pictures."""
    literal = {"picture__scale": 1 / 255, "picture__std": [0.25]}
    stuck, raw = make_job(shapes, "narrow-paper", **literal), make_job(shapes, "narrow-paper")
    verdicts = check_signal(stuck).verdicts()
    assert "stuck" in verdicts
    assert "picture.scale=1" in verdicts["stuck"]
    assert "conv1 and conv2" in verdicts["stuck"]
    assert "stuck" not in check_signal(raw).verdicts()
    assert check_signal(stuck).share < check_signal(raw).share / 10
    losses = train(stuck, 0.02, 36)
    assert np.mean(losses[-9:]) > 0.97 * math.log(3)


def signal(**changes: Any) -> Signal:
    facts: dict[str, Any] = {
        "loss": 1.0,
        "guessing": 1.0,
        "logits": 1.0,
        "hidden": 1.0,
        "share": 0.1,
        "rate": 0.01,
        "largest_rate": None,
        "input_rms": 1.0,
        "layers": (),
    }
    return Signal(**{**facts, **changes})


@pytest.mark.parametrize(
    ("largest", "stable", "kinds"),
    [
        (None, 0.01, set()),
        (0.02, 0.01, set()),
        (0.0199, 0.009, set()),
        (0.0131, 0.006, set()),
        (0.0041, 0.002, {"jumps"}),
        (0.00999, 0.004, {"jumps"}),
        (0.0018, 0.0009, {"diverges"}),
        (1e-7, 5e-8, {"diverges"}),
    ],
)
def test_stable_rates(largest: float | None, stable: float, kinds: set[str]) -> None:
    found = signal(largest_rate=largest)
    assert found.stable_rate == stable
    assert set(found.verdicts()) == kinds


def test_a_loss_that_is_not_finite_is_said() -> None:
    assert "not finite" in signal(loss=math.nan).verdicts()


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(
    ("chosen", "taken", "said"),
    [
        ({}, 0.001, "0.001 is taken"),
        ({"optim.lr": 0.5}, 0.5, "Foretold"),
        ({"optim.lr": 0.5, "optim.lower_lr": True}, 0.001, "taken"),
    ],
)
def test_a_recipes_rate_is_lowered_and_a_persons_is_obeyed(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any], taken: float, said: str
) -> None:
    find: Callable[[Job], Signal] = check_signal
    monkeypatch.setattr("alexnet.training.run.check_signal", lambda job: replace(find(job), largest_rate=0.0023))
    config = make_config(str(shapes), "lenet", {"training.epochs": 1, **chosen})
    notes = Notes()
    run = train_new(config, run=tmp_path / "run", reporter=notes)
    stored = json.loads((run.folder / "config.json").read_text())
    assert stored["optim"]["lr"] == taken
    assert said in " ".join(notes.notes)
    written = json.loads((run.folder / "signal.json").read_text())
    assert (written["rate"], written["taken"]) == (chosen.get("optim.lr", 0.05), taken)
    assert bool(written["verdicts"]) == (taken == 0.5)


@pytest.mark.parametrize("name", ["gluon", "lenet", "keras", "torchvision", "half"])
def test_recipes_of_the_tutorials_are_stable_on_few_classes(name: str, shapes: Path) -> None:
    """Their initial values keep the last hidden layer small, whatever the number of classes."""
    spec = create(name, classes=3).spec
    job = make_job(
        shapes, name, model__image_size=spec.image_size, picture__resize=spec.image_size, training__batch_size=2
    )
    assert check_signal(job).verdicts() == {}
