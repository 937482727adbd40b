"""A whole training: the files it leaves, what it learns, and that it goes on exactly where it was stopped."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import alexnet
from alexnet.config import RunConfig, make_config
from alexnet.errors import ConfigError, DataError, DivergedError, Interrupted, RunInUseError, WeightsError
from alexnet.runs import RunFolder, RunLock
from alexnet.training import Run, Silent, train_new, train_on
from alexnet.weights import read_tensors

FILES = (
    "config.json",
    "origin.json",
    "classes.json",
    "split.csv",
    "history.jsonl",
    "checkpoints/last.safetensors",
    "checkpoints/previous.safetensors",
    "checkpoints/best.safetensors",
    "model.safetensors",
    "curves.png",
    "confusion.png",
    "samples.png",
    "filters.png",
    "metrics.json",
    "per_class.csv",
    "predictions.csv",
    "report.html",
)
# Everything that a resume could lose is on: dropout, batch normalisation, momentum, a schedule, crops, flips.
SETTINGS: dict[str, Any] = {
    "training.epochs": 3,
    "training.batch_size": 16,
    "training.precision": "fp32",
    "training.log_steps": 4,
    "training.settle_batches": 2,
    "model.image_size": 28,
    "optim.lr": 0.02,
    "optim.momentum": 0.9,
    "schedule.rule": "step",
    "schedule.epochs": 2,
    "augment.crop": "resized",
    "augment.flip": True,
}
RECIPE = {
    "optim.keep_velocity": True,
    "optim.bias_lr_factor": 2.0,
    "optim.decay_biases": False,
    "optim.weight_decay": 5e-4,
    "schedule.rule": "cosine",
    "schedule.warmup_epochs": 0.5,
    "training.label_smoothing": 0.1,
}
pytestmark = pytest.mark.usefixtures("tiny_net")
STEPS_PER_EPOCH = 6  # 90 pictures in batches of 16


class StopAt(Silent):
    """Sends a signal to this process when so many batches, of training and evaluation, are done."""

    def __init__(self, batches: int, number: int = signal.SIGINT) -> None:
        self.left, self.number = batches, number

    def advance(self, pictures: int, rates: dict[str, float]) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def settings_for(shapes: Path, **changes: Any) -> RunConfig:
    return make_config(str(shapes), "tiny", {**SETTINGS, **changes})


@pytest.fixture(scope="module")
def whole(shapes: Path, tiny_net: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An uninterrupted run."""
    return train_new(settings_for(shapes), run=tmp_path_factory.mktemp("whole") / "run")


def timeless(folder: Path) -> list[dict[str, Any]]:
    """The history without what a clock decides."""
    rows = RunFolder(folder).read_history()
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s")} for row in rows]


def assert_same_tensors(first: Path, second: Path) -> None:
    ours, theirs = read_tensors(first)[0], read_tensors(second)[0]
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_run_folder_holds_every_file(whole: Run) -> None:
    assert [name for name in FILES if not (whole.folder / name).is_file()] == []
    assert json.loads((whole.folder / "classes.json").read_text()) == ["circle", "cross", "square"]
    assert len((whole.folder / "split.csv").read_text().splitlines()) == 1 + 90 + 30
    assert len((whole.folder / "predictions.csv").read_text().splitlines()) == 1 + 30
    assert not list(whole.folder.rglob("*.tmp"))


def test_metrics_are_of_the_best_epoch_on_the_held_out_pictures(whole: Run) -> None:
    held_out = [row for row in timeless(whole.folder) if row["split"] == "val"]
    assert [row["epoch"] for row in held_out] == [1, 2, 3]
    best = max(held_out, key=lambda row: (row["top1"], -row["loss"]))
    assert whole.metrics["best_epoch"] == best["epoch"]
    assert whole.metrics["top1"] == best["top1"]
    assert whole.metrics["n"] == 30
    assert whole.metrics["steps"] == 3 * STEPS_PER_EPOCH
    assert set(whole.summary()) == {"run", "epochs", "steps", "top1", "top5", "loss", "seconds"}


def test_history_counts_every_training_picture_once(whole: Run) -> None:
    rows = RunFolder(whole.folder).read_history()
    assert [row["step"] for row in rows if row["split"] == "train"] == [4, 6, 8, 12, 16, 18]
    assert {row["lr"] for row in rows if row["epoch"] <= 2} == {0.02}
    assert [row["lr"] for row in rows if row["epoch"] == 3] == pytest.approx([0.002] * 3)
    assert set(rows[0]) == {"step", "epoch", "split", "loss", "top1", "top5", "lr", "images_per_s", "seconds"}


def test_report_stands_alone(whole: Run) -> None:
    text = (whole.folder / "report.html").read_text()
    assert text.count("data:image/png;base64,") == 4
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_same_seed_same_run_other_seed_other_run(shapes: Path, whole: Run, tmp_path: Path) -> None:
    again = train_new(settings_for(shapes), run=tmp_path / "again")
    assert timeless(again.folder) == timeless(whole.folder)
    assert_same_tensors(again.folder / "model.safetensors", whole.folder / "model.safetensors")
    other = train_new(settings_for(shapes, **{"training.seed": 1, "training.epochs": 1}), run=tmp_path / "other")
    assert timeless(other.folder)[0]["loss"] != timeless(whole.folder)[0]["loss"]


@pytest.mark.parametrize("batches", [1, 3, 5, 6, 7, 8, 10, 12, 14, 20])
def test_resume_after_a_signal_is_bit_identical(shapes: Path, whole: Run, tmp_path: Path, batches: int) -> None:
    """Stopped in an epoch, at its last step, in the evaluation (batch 7), and later."""
    run = tmp_path / "run"
    with pytest.raises(Interrupted) as stopped:
        train_new(settings_for(shapes), run=run, reporter=StopAt(batches))
    assert stopped.value.exit_code == 130
    torch.manual_seed(99)  # the generator of another process
    resumed = train_on(run)
    assert timeless(run) == timeless(whole.folder)
    assert_same_tensors(run / "model.safetensors", whole.folder / "model.safetensors")
    assert_same_tensors(run / "checkpoints/last.safetensors", whole.folder / "checkpoints/last.safetensors")
    times = ("seconds",)
    assert {k: v for k, v in resumed.metrics.items() if k not in times} == {
        k: v for k, v in whole.metrics.items() if k not in times
    }


def test_a_chain_of_stops_is_bit_identical(shapes: Path, whole: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted) as stopped:
        train_new(settings_for(shapes), run=run, reporter=StopAt(3, signal.SIGTERM))
    assert stopped.value.exit_code == 143
    for batches in (4, 2, 5):
        with pytest.raises(Interrupted):
            train_on(run, reporter=StopAt(batches))
    train_on(run)
    assert timeless(run) == timeless(whole.folder)
    assert_same_tensors(run / "checkpoints/last.safetensors", whole.folder / "checkpoints/last.safetensors")


@pytest.mark.parametrize("changes", [{"optim.rule": "adam", "optim.lr": 0.001}, {"schedule.rule": "plateau"}, RECIPE])
def test_resume_restores_every_rule(shapes: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = settings_for(shapes, **{"training.epochs": 2, "schedule.epochs": 1, **changes})
    whole = train_new(config, run=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_new(config, run=tmp_path / "run", reporter=StopAt(8))
    train_on(tmp_path / "run")
    assert_same_tensors(tmp_path / "run/checkpoints/last.safetensors", whole.folder / "checkpoints/last.safetensors")


def test_damaged_checkpoint_is_passed_over_and_said(shapes: Path, whole: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_new(settings_for(shapes, **{"training.epochs": 2}), run=run)
    last = run / "checkpoints" / "last.safetensors"
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes(content)
    notes: list[str] = []

    class Listener(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    train_on(run, {"training.epochs": 3}, reporter=Listener())
    assert any("passed over" in note and "last.safetensors" in note for note in notes)
    assert timeless(run) == timeless(whole.folder)


def test_more_epochs_after_the_end(shapes: Path, whole: Run, tmp_path: Path) -> None:
    train_new(settings_for(shapes, **{"training.epochs": 2}), run=tmp_path / "run")
    train_on(tmp_path / "run", {"training.epochs": 3})
    assert timeless(tmp_path / "run") == timeless(whole.folder)


def test_resume_refuses_other_settings_and_other_pictures(shapes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_new(settings_for(shapes, **{"training.epochs": 1}), run=run)
    with pytest.raises(ConfigError, match=r"optim\.lr"):
        train_on(run, {"optim.lr": 0.5})
    moved = next((shapes / "train" / "cross").iterdir())
    kept = moved.read_bytes()
    moved.unlink()
    try:
        with pytest.raises(DataError, match="no longer those"):
            train_on(run, {"training.epochs": 2})
    finally:
        moved.write_bytes(kept)
    for name in ("last", "previous"):
        (run / "checkpoints" / f"{name}.safetensors").unlink(missing_ok=True)
    with pytest.raises(WeightsError, match="no checkpoint"):
        train_on(run)


def test_loss_that_is_not_finite_stops_before_the_step(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError) as stopped:
        train_new(settings_for(shapes, **{"optim.lr": 1e12, "training.batch_size": 45}), run=tmp_path / "run")
    assert stopped.value.exit_code == 5
    assert "--lr" in stopped.value.hint


def test_existing_run_is_never_trained_into(shapes: Path, whole: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")}
    with pytest.raises(RunInUseError):
        train_new(settings_for(shapes), run=whole.folder)
    lock = RunLock(RunFolder(whole.folder))
    with pytest.raises(RunInUseError, match="Another process"):
        train_on(whole.folder)
    lock.release()
    after = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")}
    assert {path.name for path in after if after[path] != before.get(path)} <= {".lock"}


def test_python_door(shapes: Path, tmp_path: Path) -> None:
    changed = {**SETTINGS, "training.epochs": 1}
    run = alexnet.train(shapes, "tiny", run=tmp_path / "run", settings=changed, reporter=Silent())
    assert run.folder == tmp_path / "run"
    with pytest.raises(ConfigError, match="run folder"):
        alexnet.train(shapes, resume=True)
    resumed = alexnet.train(shapes, epochs=2, run=run.folder, resume=True, reporter=Silent())
    assert resumed.metrics["epochs"] == 2


def test_test_pictures_choose_nothing(tmp_path: Path) -> None:
    """Without validation pictures the last epoch's weights are kept, whatever the test pictures say."""
    changed = {"training.epochs": 2, "optim.lr": 0.05, "schedule.rule": "step", "schedule.epochs": 1}
    config = make_config("sample", "lenet", {**changed, "schedule.factor": 0.5, "training.batch_size": 500})
    run = train_new(config, run=tmp_path / "run")
    assert run.metrics["best_epoch"] == 2
    assert run.metrics["split"] == "test"
    assert run.metrics["chosen_by"].startswith("the last epoch")


def test_settings_that_depend_on_machine_and_data_are_written_down(shapes: Path, whole: Run, tmp_path: Path) -> None:
    stored = json.loads((whole.folder / "config.json").read_text())
    assert (stored["model"]["channels"], stored["model"]["image_size"], stored["picture"]["resize"]) == (3, 28, 28)
    config = settings_for(shapes, **{"training.epochs": 1, "training.precision": "auto"})
    run = train_new(config, run=tmp_path / "run")
    assert json.loads((run.folder / "config.json").read_text())["training"]["precision"] == run.metrics["precision"]
