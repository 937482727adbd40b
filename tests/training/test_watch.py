"""Advice about a net that does not learn: what is seen, when it is said, and that it is said once."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.config import make_config
from alexnet.errors import Interrupted
from alexnet.runs import RunFolder, write_json
from alexnet.training import Silent, train_new, train_on
from alexnet.training.job import Job
from alexnet.training.prepare import open_pictures, prepare
from alexnet.training.state import Sums
from alexnet.training.step import batches, update
from alexnet.training.stop import StopSignals
from alexnet.training.watch import Watch, guessing_loss, norm_of, watch_units

SETTINGS: dict[str, Any] = {
    "training.batch_size": 30,
    "training.precision": "fp32",
    "training.log_steps": 20,
    "model.image_size": 28,
    "optim.lr": 0.02,
    "optim.lower_lr": False,
}
LN3 = math.log(3)
pytestmark = pytest.mark.usefixtures("tiny_net")


class Listener(Silent):
    """Keeps what is said, and stops the run after so many updates."""

    def __init__(self, batches: int = 0) -> None:
        self.notes: list[str] = []
        self.left = batches

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, pictures: int, rates: dict[str, float]) -> None:
        self.left -= bool(rates)  # an evaluation has none
        if rates and self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)

    def advice(self) -> list[str]:
        return [note for note in self.notes if note.startswith("Step ")]


@pytest.fixture
def make_job(shapes: Path, tmp_path: Path) -> Callable[..., Job]:
    """make_job(model, **settings): a job as a run makes it."""

    def make(model: str = "tiny", **changes: Any) -> Job:
        config = make_config(str(shapes), model, {**SETTINGS, **changes})
        (tmp_path / "run").mkdir(exist_ok=True)
        reporter = Listener()
        return prepare(config, RunFolder(tmp_path / "run"), open_pictures(config, reporter), reporter)

    return make


def advice_in(folder: Path) -> list[dict[str, Any]]:
    path = folder / "advice.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kinds_in(folder: Path) -> list[str]:
    return [row["kind"] for row in advice_in(folder)]


# ---- what is seen


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5,) * 10, math.log(10)),
        ((7, 7), math.log(2)),
        ((1, 3), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)),
        ((0, 4, 0, 4), math.log(2)),
        ((9,), 0.0),
    ],
)
def test_guessing_loss_is_the_entropy_of_the_classes(counts: tuple[int, ...], expected: float) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    assert guessing_loss(labels) == pytest.approx(expected)


def test_units_are_counted_for_each_channel_over_all_pictures_and_calls() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.ReLU(inplace=True))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.copy_(torch.tensor([0.0, -5.0, -1.5, 5.0]))
        net[3].weight.zero_()
        net[3].bias.copy_(torch.tensor([-1.0, 1.0, 0.0]))
    dim, bright = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    dim[0, 0, 0, 1], bright[0, 0, 1, 1] = 1.0, 2.0
    with watch_units(net) as living:
        net(bright)
        net(dim)
    assert living["1"].tolist() == [True, False, True, True]  # above zero once, at one pixel, is alive
    assert living["4"].tolist() == [False, True, False]  # zero itself is not
    with watch_units(net) as living:
        net(dim)
    assert living["1"].tolist() == [True, False, False, True]
    living.clear()
    net(bright)
    assert living == {}  # nothing listens any more


def test_the_norm_is_that_of_all_parameters(make_job: Callable[..., Job]) -> None:
    net = make_job().net
    values = np.concatenate([value.detach().numpy().ravel() for value in net.parameters()]).astype(np.float64)
    assert norm_of(net) == pytest.approx(float(np.sqrt((values**2).sum())), rel=1e-5)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("layer", ["conv3", "fc7"])
def test_dead_units_are_found(make_job: Callable[..., Job], layer: str, parts: int) -> None:
    job = make_job(**{"training.accumulate": parts})
    with torch.no_grad():
        job.net.get_submodule(layer).bias.fill_(-1e4)
    watch = Watch(job)
    with watch.looking(True):
        update(job, next(batches(job, 0)), StopSignals())
    name = f"relu{layer[-1]}"
    assert watch.dead[name] == 1.0
    assert watch.dead["relu1"] < 0.5
    watch.judge(0.5)
    assert kinds_in(job.folder.path) == ["dead"]
    (note,) = job.reporter.advice()
    (row,) = advice_in(job.folder.path)
    assert "100%" in note
    assert f" {name} " in note
    assert "--lr 0.002" in note
    assert set(row) == {"step", "kind", "text", "advice"}
    assert row["text"] in note
    assert row["advice"] in note


def test_some_dead_units_are_no_dead_layer(make_job: Callable[..., Job]) -> None:
    """31 of 32 units are 96.9 %, just less than the share that is said."""
    job = make_job()
    watch = Watch(job)
    module = job.net.get_submodule("fc7")
    with torch.no_grad():
        module.bias[:31] = -1e4
        module.bias[31] = 1e4
    with watch.looking(True):
        update(job, next(batches(job, 0)), StopSignals())
    assert watch.dead["relu7"] == pytest.approx(31 / 32)
    watch.judge(0.5)
    assert "dead" not in kinds_in(job.folder.path)


def test_a_healthy_net_gets_no_advice(shapes: Path, tmp_path: Path, tiny_net: str) -> None:
    listener = Listener()
    settings = {**SETTINGS, "training.log_steps": 1, "training.epochs": 3}
    run = train_new(make_config(str(shapes), tiny_net, settings), run=tmp_path / "run", reporter=listener)
    assert listener.advice() == []
    assert not (run.folder / "advice.jsonl").exists()


# ---- when it is said


def count(job: Job, updates: int, loss: float) -> None:
    """As the loop counts updates of one picture each."""
    job.state.step += updates
    job.state.recent.add(Sums(n=updates, loss=updates * loss))


def test_the_loss_of_guessing_is_said_after_200_updates_and_not_before(make_job: Callable[..., Job]) -> None:
    """Lines of few pictures scatter around it; their mean is what counts."""
    job = make_job()
    watch = Watch(job)
    for window in range(1, 16):
        loss = LN3 * (0.9 if window % 2 else 1.1)
        count(job, 20, loss)
        watch.judge(loss)
        assert kinds_in(job.folder.path) == (["chance"] if window >= 10 else [])
    (row,) = advice_in(job.folder.path)
    assert row["step"] == 200
    assert "200 updates is 1.099" in row["text"]


@pytest.mark.parametrize("loss", [0.98 * LN3, 2.01 * LN3])
def test_a_net_that_learns_or_explodes_is_not_at_chance(make_job: Callable[..., Job], loss: float) -> None:
    job = make_job()
    watch = Watch(job)
    for _ in range(30):
        count(job, 20, loss)
        watch.judge(1.0)
    assert kinds_in(job.folder.path) == []


def test_what_was_learnt_long_ago_does_not_count(make_job: Callable[..., Job]) -> None:
    job = make_job()
    watch = Watch(job)
    for loss in (0.2, LN3):
        count(job, 200, loss)
        watch.judge(1.0)
    assert kinds_in(job.folder.path) == ["chance"]


@pytest.mark.parametrize(
    ("signal", "phrase"),
    [
        ({}, "--lr 0.002"),
        ({"largest_rate": 0.5}, "--lr 0.002"),
        ({"largest_rate": 5.0}, "--lr 0.2"),
        ({"largest_rate": 5.0, "verdicts": {"stuck": "Larger values, please."}}, "Larger values, please."),
    ],
)
def test_the_advice_at_chance_fits_the_signal_check(
    make_job: Callable[..., Job], signal: dict[str, Any], phrase: str
) -> None:
    job = make_job()
    write_json(job.folder.signal, signal)
    count(job, 200, LN3)
    Watch(job).judge(1.0)
    (row,) = advice_in(job.folder.path)
    assert phrase in row["advice"]


def test_an_exploded_loss_and_exploded_weights_are_said(make_job: Callable[..., Job]) -> None:
    job = make_job()
    watch = Watch(job)
    watch.judge(4.9 * LN3)
    assert kinds_in(job.folder.path) == []
    watch.judge(5.1 * LN3)
    assert kinds_in(job.folder.path) == ["loss"]
    for factor, kinds in ((9.9, ["loss"]), (10.1 / 9.9, ["loss", "norm"]), (2.0, ["loss", "norm"])):
        with torch.no_grad():
            for value in job.net.parameters():
                value *= factor
        watch.judge(6 * LN3)
        assert kinds_in(job.folder.path) == kinds
    assert len(job.reporter.advice()) == 2


def test_the_first_norm_is_that_before_the_first_update(make_job: Callable[..., Job]) -> None:
    job = make_job()
    first = norm_of(job.net)
    Watch(job)
    with torch.no_grad():
        for value in job.net.parameters():
            value *= 20
    Watch(job).judge(1.0)  # the next epoch's, or a resumed run's
    assert job.state.first_norm == pytest.approx(first)
    assert kinds_in(job.folder.path) == ["norm"]


# ---- a run that really dies


def test_a_dead_run_is_told_once_also_across_a_resume(shapes: Path, tmp_path: Path, tiny_net: str) -> None:
    """A rate of 0.1 with momentum kills a layer within 80 updates (with seeds 0 to 4)."""
    changes = {"training.batch_size": 4, "training.epochs": 6, "optim.lr": 0.1, "optim.momentum": 0.9}
    config = make_config(str(shapes), tiny_net, {**SETTINGS, **changes})
    run = tmp_path / "run"
    before, after = Listener(batches=120), Listener()
    with pytest.raises(Interrupted):
        train_new(config, run=run, reporter=before)
    assert kinds_in(run)[0] == "dead"
    train_on(run, reporter=after)
    rows = advice_in(run)
    assert len({row["kind"] for row in rows}) == len(rows)
    said = [f"Step {row['step']}: {row['text']} {row['advice']}" for row in rows]
    assert said == before.advice() + after.advice()


def test_a_run_that_does_not_move_is_told_after_200_updates_across_a_resume(shapes: Path, tmp_path: Path) -> None:
    """At a rate of 1e-9 nothing is learnt; the count of updates outlives a stop. Each line is of a whole epoch."""
    changes = {"training.log_steps": 3, "training.epochs": 70, "optim.lr": 1e-9}
    config = make_config(str(shapes), "lenet", {**SETTINGS, **changes})
    run = tmp_path / "run"
    before, after = Listener(batches=190), Listener()
    with pytest.raises(Interrupted):
        train_new(config, run=run, reporter=before)
    assert before.advice() == []
    train_on(run, reporter=after)
    assert [(row["kind"], row["step"]) for row in advice_in(run)] == [("chance", 201)]
    assert len(after.advice()) == 1


def test_what_was_said_after_the_last_checkpoint_is_not_told_twice(shapes: Path, tmp_path: Path, tiny_net: str) -> None:
    """As after a crash: the checkpoint is older than the file, which may even be cut short."""
    run = tmp_path / "run"
    settings = {**SETTINGS, "training.log_steps": 3, "training.epochs": 1, "optim.lr": 3.0}
    config = make_config(str(shapes), tiny_net, {**settings, "training.batch_size": 16})
    with pytest.raises(Interrupted):
        train_new(config, run=run, reporter=Listener(batches=1))
    before = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    with pytest.raises(Interrupted):
        train_on(run, reporter=Listener(batches=3))
    rows = advice_in(run)
    assert {"loss", "norm"} <= {row["kind"] for row in rows}
    for path, content in before.items():
        path.write_bytes(content)
    with open(run / "advice.jsonl", "a") as file:
        file.write('{"step": 4, "ki')
    with pytest.raises(Interrupted):
        train_on(run, reporter=Listener(batches=3))
    assert advice_in(run) == rows
