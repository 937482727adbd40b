"""One update: parts of a batch, memory that runs out, averaged weights, and a stop in the middle of a batch."""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import alexnet.training.step as step
from alexnet.config import make_config
from alexnet.data import PictureSet, centre_view
from alexnet.errors import ConfigError, DivergedError, Interrupted
from alexnet.model import AlexNet, Machine, logits_of
from alexnet.runs import RunFolder
from alexnet.training import Silent, train_new, train_on
from alexnet.training.job import Job
from alexnet.training.prepare import open_pictures, prepare
from alexnet.training.step import Batch, batches, update, view
from alexnet.training.stop import StopSignals
from alexnet.weights import read_tensors, read_weights

SETTINGS: dict[str, Any] = {
    "training.batch_size": 16,
    "training.precision": "fp32",
    "training.epochs": 1,
    "training.log_steps": 4,
    "model.image_size": 28,
    "optim.lr": 0.05,
    "optim.lower_lr": False,
    "optim.momentum": 0.9,
    "augment.crop": "resized",
    "augment.flip": True,
}
pytestmark = pytest.mark.usefixtures("tiny_net")
Weights = dict[str, Tensor]


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def make_job(shapes: Path, tmp_path: Path) -> Callable[..., Job]:
    """make_job(model, **settings): a job as a run makes it; `lenet` has neither dropout nor batch normalisation."""

    def make(model: str = "lenet", **changes: Any) -> Job:
        config = make_config(str(shapes), model, {**SETTINGS, **changes})
        reporter = Listener()
        job = prepare(config, RunFolder(tmp_path / "run"), open_pictures(config, reporter), reporter)
        job.net.train()
        return job

    return make


def weights_of(net: nn.Module) -> Weights:
    return {name: value.detach().double().clone() for name, value in net.named_parameters()}


def assert_close(found: Weights, expected: Weights, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(
            value, expected[name].double(), rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )


class ByHand:
    """Plain gradient descent in float64: v ← m v + g, w ← w - lr v, with the gradient of a whole batch."""

    def __init__(self, job: Job) -> None:
        self.net = copy.deepcopy(job.net).double()
        self.velocity = {name: torch.zeros_like(value) for name, value in self.net.named_parameters()}

    def update(self, job: Job, batch: Batch, divisor: int) -> float:
        """One update; the summed loss before it."""
        pictures, labels = view(job, job.state.epoch, batch)
        optim = job.config.optim
        loss = -F.log_softmax(self.net(pictures.double()), dim=1)[torch.arange(len(labels)), labels].sum()
        gradients = torch.autograd.grad(loss / divisor, list(self.net.parameters()))
        with torch.no_grad():
            for (name, value), gradient in zip(self.net.named_parameters(), gradients, strict=True):
                gradient = gradient + optim.weight_decay * value
                self.velocity[name] = optim.momentum * self.velocity[name] + gradient
                value -= optim.lr * self.velocity[name]
        return loss.item()


# ---- parts of a batch


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 40])
def test_parts_of_a_batch_give_the_update_of_the_whole(make_job: Callable[..., Job], parts: int) -> None:
    """16 pictures in 3 or 5 parts are uneven; more parts than pictures are single pictures."""
    job = make_job(**{"training.accumulate": parts, "optim.weight_decay": 0.01})
    by_hand = ByHand(job)
    for _, batch in zip(range(3), batches(job, 0), strict=False):
        loss = by_hand.update(job, batch, 16)
        assert update(job, batch, StopSignals())
        assert (job.state.part, job.state.batch.n) == (0, 16)
        assert job.state.batch.loss == pytest.approx(loss, rel=1e-5)
    assert_close(weights_of(job.net), weights_of(by_hand.net))


def test_parts_are_in_order_nearly_equal_and_never_empty() -> None:
    batch = Batch(index=np.arange(16), leaders=np.arange(16) // 4)
    assert [len(part.index) for part in batch.split(3)] == [6, 5, 5]
    assert [len(part.index) for part in batch.split(5)] == [4, 3, 3, 3, 3]
    assert [len(part.index) for part in batch.split(20)] == [1] * 16
    assert np.concatenate([part.leaders for part in batch.split(5)]).tolist() == batch.leaders.tolist()


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("rule", "divisor"), [("pictures", 10), ("batch_size", 16)])
def test_the_short_last_batch(make_job: Callable[..., Job], rule: str, divisor: int, parts: int) -> None:
    job = make_job(**{"training.divide_by": rule, "training.accumulate": parts, "optim.momentum": 0.0})
    *_, last = batches(job, 0)
    assert len(last.index) == 90 - 5 * 16
    by_hand = ByHand(job)
    by_hand.update(job, last, divisor)
    update(job, last, StopSignals())
    assert_close(weights_of(job.net), weights_of(by_hand.net), atol=1e-7)


def test_an_epochs_batches_hold_every_picture_once(make_job: Callable[..., Job]) -> None:
    job = make_job(**{"augment.share": 5})
    visited = [batch.index for batch in batches(job, 3)]
    assert [len(index) for index in visited] == [16] * 5 + [10]
    order = np.concatenate(visited)
    assert sorted(order) == list(range(90))
    leaders = np.concatenate([batch.leaders for batch in batches(job, 3)])
    assert leaders.tolist() == [order[place - place % 5] for place in range(90)]
    later = [batch.leaders.tolist() for batch in batches(job, 3, first=4)]
    assert later == [leaders[64:80].tolist(), leaders[80:].tolist()]


def test_a_loss_that_is_not_finite_leaves_the_weights(make_job: Callable[..., Job]) -> None:
    job = make_job(**{"training.accumulate": 2})
    with torch.no_grad():
        next(iter(job.net.parameters())).fill_(float("inf"))
    before = weights_of(job.net)
    with pytest.raises(DivergedError, match="step 1"):
        update(job, next(batches(job, 0)), StopSignals())
    for name, value in weights_of(job.net).items():
        assert torch.equal(value, before[name])


# ---- memory that runs out


def allow(monkeypatch: pytest.MonkeyPatch, most: int, error: type[RuntimeError] | None = None) -> list[int]:
    """Answers in training fail for more than so many pictures, after the net has computed; the sizes asked for."""
    asked: list[int] = []

    def limited(net: nn.Module, pictures: Tensor, machine: Machine) -> Tensor:
        asked.append(len(pictures))
        answer = logits_of(net, pictures, machine)
        if len(pictures) > most:
            if error is RuntimeError:
                raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] can't allocate memory: you tried 9 bytes")
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return answer

    monkeypatch.setattr(step, "logits_of", limited)
    return asked


@pytest.mark.parametrize(("most", "parts", "error"), [(8, 2, None), (7, 4, RuntimeError), (1, 16, None)])
def test_out_of_memory_changes_nothing_but_the_parts(
    make_job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    parts: int,
    error: type[RuntimeError] | None,
) -> None:
    job = make_job()
    by_hand = ByHand(job)
    asked = allow(monkeypatch, most, error)
    first, second, *_ = batches(job, 0)
    for batch in (first, second):
        by_hand.update(job, batch, 16)
        assert update(job, batch, StopSignals())
        assert job.state.batch.n == 16
    assert_close(weights_of(job.net), weights_of(by_hand.net))
    assert job.state.parts == parts
    assert max(asked[-parts:]) <= most  # the second batch is not tried whole again
    notes = job.reporter.notes
    assert len(notes) == int(np.log2(parts))
    assert f"{parts} parts" in notes[-1]
    assert f"{16 // parts} pictures" not in notes[-1]  # what is not held is twice that
    assert f"{2 * 16 // parts} pictures" in notes[-1]


@pytest.mark.parametrize(("parts", "allowed"), [(1, 0), (2, 1)])
def test_statistics_and_luck_are_as_if_memory_had_not_run_out(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, tiny_net: str, parts: int, allowed: int
) -> None:
    """Reference: a plain loop over four parts with torch's own rule. Memory runs out in the first try of all, or in the
    second of two parts, when the first has added its gradients.
    """
    job = make_job(tiny_net)
    batch = next(batches(job, 0))
    by_hand = copy.deepcopy(job.net).train()
    rule = torch.optim.SGD(by_hand.parameters(), lr=0.05, momentum=0.9)
    luck = torch.get_rng_state()
    for index in np.array_split(batch.index, 4):
        pictures, labels = view(job, 0, Batch(index=index, leaders=index))
        logits = by_hand(pictures.contiguous(memory_format=torch.channels_last))
        (F.cross_entropy(logits, labels, reduction="sum") / 16).backward()
    rule.step()
    expected_luck = torch.get_rng_state()
    torch.set_rng_state(luck)

    calls = 0

    def limited(net: nn.Module, pictures: Tensor, machine: Machine) -> Tensor:
        nonlocal calls
        calls += 1
        answer = logits_of(net, pictures, machine)
        if len(pictures) > 4 and calls > allowed:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return answer

    job.state.parts = parts
    monkeypatch.setattr(step, "logits_of", limited)
    update(job, batch, StopSignals())
    assert (job.state.parts, job.state.batch.n) == (4, 16)
    assert torch.equal(torch.get_rng_state(), expected_luck)
    for (name, found), expected in zip(job.net.named_buffers(), by_hand.buffers(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7, msg=name)
    assert_close(weights_of(job.net), weights_of(by_hand), rtol=1e-5)


def test_a_single_picture_that_is_too_large_is_said(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    before = weights_of(job.net)
    allow(monkeypatch, 0)
    with pytest.raises(ConfigError, match="single picture") as refused:
        update(job, next(batches(job, 0)), StopSignals())
    assert "--image-size" in refused.value.hint
    for name, value in weights_of(job.net).items():
        assert torch.equal(value, before[name])


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(step, "logits_of", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        update(make_job(), next(batches(make_job(), 0)), StopSignals())


def test_a_run_whose_memory_runs_out_says_it_once_and_goes_on(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = allow(monkeypatch, 8)
    config = make_config(str(shapes), "lenet", {**SETTINGS, "training.epochs": 2})
    listener = Listener()
    run = train_new(config, run=tmp_path / "run", reporter=listener)
    assert run.metrics["steps"] == 12
    assert asked.count(16) == 1
    assert sum("parts" in note for note in listener.notes) == 1


# ---- averaged weights


def test_averaged_weights_are_the_recursion_over_the_trained_ones(make_job: Callable[..., Job]) -> None:
    """a ← 0.9 a + 0.1 w after each update, a = w after the first, in float64."""
    job = make_job(**{"training.ema": 0.9, "optim.lr": 0.5})
    expected: Weights = {}
    for _, batch in zip(range(6), batches(job, 0), strict=True):
        update(job, batch, StopSignals())
        now = weights_of(job.net)
        expected = {name: 0.9 * expected.get(name, value) + 0.1 * value for name, value in now.items()}
    assert job.shown is not job.net
    assert_close(weights_of(job.shown), expected, rtol=1e-5)
    far = max(float((expected[name] - value).abs().max()) for name, value in now.items())
    assert far > 1e-3  # the last weights would not do


def held_out_loss(folder: Path, pictures: PictureSet) -> float:
    """The mean loss of the kept weights, in float64."""
    weights = read_weights(folder)
    net = AlexNet(weights.card.network())
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.tensors.items()})
    pixels, labels = pictures.batch(np.arange(len(pictures)))
    values = centre_view(torch.from_numpy(np.array(pixels)), weights.card.picture)
    with torch.no_grad():
        logs = F.log_softmax(net.double().eval()(values.double()), dim=1)
    return float(-logs[torch.arange(len(labels)), torch.from_numpy(labels)].mean())


EVERYTHING: dict[str, Any] = {
    "training.ema": 0.9,
    "training.accumulate": 3,
    "training.epochs": 2,
    "training.settle_batches": 2,
    "optim.weight_decay": 1e-3,
    "optim.keep_velocity": True,
    "schedule.rule": "cosine",
    "augment.colour_noise": 0.1,
    "augment.share": 32,
    "picture.mean": "training-image",
}


def test_averaged_weights_are_what_is_evaluated_and_kept(shapes: Path, tmp_path: Path, tiny_net: str) -> None:
    config = make_config(str(shapes), tiny_net, {**SETTINGS, **EVERYTHING, "training.epochs": 1})
    run = train_new(config, run=tmp_path / "run")
    kept = read_weights(run.folder).tensors
    stored, _ = read_tensors(run.folder / "checkpoints/last.safetensors")
    for name, array in kept.items():
        np.testing.assert_array_equal(array, stored[f"average/module.{name}"], err_msg=name)
    assert any(not np.array_equal(kept[name], stored[f"net/{name}"]) for name in kept)
    (row,) = (row for row in RunFolder(run.folder).read_history() if row["split"] == "val")
    pictures = open_pictures(config, Silent()).splits["val"]
    assert row["loss"] == pytest.approx(held_out_loss(run.folder, pictures), rel=1e-4)
    assert run.metrics["loss"] == row["loss"]


# ---- a stop between two parts


@pytest.fixture(scope="module")
def whole(shapes: Path, tiny_net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run with everything on that a stop could lose: 2 epochs of 6 batches of 3 parts."""
    config = make_config(str(shapes), tiny_net, {**SETTINGS, **EVERYTHING})
    return train_new(config, run=tmp_path_factory.mktemp("whole") / "run").folder


def stop_after(monkeypatch: pytest.MonkeyPatch, parts: int, number: int) -> None:
    """Sends a signal to this process in the middle of a part of a batch."""
    left = parts

    def stopping(net: nn.Module, pictures: Tensor, machine: Machine) -> Tensor:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
        return logits_of(net, pictures, machine)

    monkeypatch.setattr(step, "logits_of", stopping)


def timeless(folder: Path) -> list[dict[str, Any]]:
    rows = RunFolder(folder).read_history()
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s")} for row in rows]


def assert_same(first: Path, second: Path) -> None:
    """Weights, average, optimiser, generators and counters of two checkpoints."""
    (ours, our_card), (theirs, their_card) = read_tensors(first), read_tensors(second)
    assert ours.keys() == theirs.keys()
    assert {name.partition("/")[0] for name in ours} == {"net", "average", "optimiser", "generator"}
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    for card in (our_card, their_card):
        card["seconds"] = 0
        for sums in ("batch", "window", "whole", "recent"):
            card[sums]["seconds"] = 0
    assert our_card == their_card


@pytest.mark.parametrize(("parts", "number"), [(1, signal.SIGTERM), (5, signal.SIGINT), (23, signal.SIGTERM)])
def test_a_stop_in_a_half_done_batch_is_bit_identical(
    shapes: Path, whole: Path, tmp_path: Path, tiny_net: str, parts: int, number: int
) -> None:
    """After the first part of all, the second of the second batch, and the second of the eighth; then once more."""
    run = tmp_path / "run"
    config = make_config(str(shapes), tiny_net, {**SETTINGS, **EVERYTHING})
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, parts, number)
        with pytest.raises(Interrupted) as stopped:
            train_new(config, run=run)
    assert stopped.value.exit_code == 128 + number
    stored, card = read_tensors(run / "checkpoints/last.safetensors")
    assert (card["step"], card["part"], card["parts"]) == ((parts - 1) // 3, (parts - 1) % 3 + 1, 3)
    gradients = {name: array for name, array in stored.items() if name.startswith("gradient/")}
    assert len(gradients) == sum(name.startswith("net/") and name.endswith(("weight", "bias")) for name in stored)
    assert all(np.abs(array).max() > 0 for name, array in gradients.items() if "fc8" in name)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 1, signal.SIGTERM)  # within the very same batch
        torch.manual_seed(99)
        with pytest.raises(Interrupted):
            train_on(run)
    torch.manual_seed(98)
    train_on(run)
    assert timeless(run) == timeless(whole)
    assert_same(run / "checkpoints/last.safetensors", whole / "checkpoints/last.safetensors")
    ours, theirs = (read_weights(folder).tensors for folder in (run, whole))
    assert all(np.array_equal(array, theirs[name]) for name, array in ours.items())
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (run, whole)]
    ours, theirs = ({**values, "seconds": 0} for values in metrics)
    assert ours == theirs
