"""Real `alexnet train` processes, killed without warning at random instants, end as if nothing had happened.

Checkpoints follow each of the two updates of an epoch and its evaluation: the instants fall into training, evaluation
and writing alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet
from alexnet.errors import WeightsError
from alexnet.runs import RunFolder
from alexnet.training import Silent
from alexnet.weights import read_tensors
from conftest import write_shapes

# The command line, with a net that has everything a resume could lose: dropout, batch normalisation, 9,000 weights.
LAUNCHER = """
from dataclasses import replace

from alexnet.cli.main import run
from alexnet.config import RECIPES
from alexnet.spec import VARIANTS
from alexnet.spec.variants import KERAS, changed

narrow = {name: {"filters": 8} for name in ("conv1", "conv2", "conv3", "conv4", "conv5")}
layers = changed(KERAS, **narrow, fc6={"features": 16}, fc7={"features": 16})
VARIANTS["tiny"] = replace(VARIANTS["keras"], name="tiny", layers=layers)
RECIPES["tiny"] = replace(RECIPES["keras"], model=replace(RECIPES["keras"].model, name="tiny"))
run()
"""
SETTINGS = {
    "training.batch_size": 15,
    "training.precision": "fp32",
    "training.accumulate": 2,
    "training.ema": 0.9,
    "training.log_steps": 3,
    "training.save_seconds": 0,
    "training.settle_batches": 1,
    "model.image_size": 28,
    "optim.lr": 0.02,
    "optim.lower_lr": "false",
    "optim.momentum": 0.9,
    "optim.keep_velocity": "true",
    "schedule.rule": "cosine",
    "augment.crop": "resized",
    "augment.flip": "true",
    "augment.colour_noise": 0.1,
}
EPOCHS = 24
MOST_LINES, MOST_SECONDS = 8, 0.1
"""A kill by the clock comes after at most so many lines of the history, and then at most so many seconds."""
MOST_WRITES = 16
"""A kill by the file system comes after at most so many changes below `checkpoints/`; a checkpoint makes five."""


def start(root: Path, run: str, *arguments: str) -> subprocess.Popen[bytes]:
    with open(root / f"{run}.txt", "wb") as said:
        return subprocess.Popen(
            [sys.executable, "launcher.py", "train", *arguments, "--run", run],
            cwd=root,
            env={**os.environ, "OMP_NUM_THREADS": "1", "ALEXNET_CACHE": str(root / "cache")},
            stdout=said,
            stderr=said,
        )


def start_new(root: Path, run: str) -> subprocess.Popen[bytes]:
    pairs = (f"--set={path}={value}" for path, value in SETTINGS.items())
    return start(root, run, "shapes", "--model", "tiny", *pairs, "--epochs", str(EPOCHS))


def changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Until it has happened or the process has ended."""
    end = time.monotonic() + seconds
    while not happened() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.001)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for entry in os.scandir(folder):
        try:
            facts = entry.stat()
        except FileNotFoundError:  # renamed this moment
            continue
        found[entry.name] = (facts.st_mtime_ns, facts.st_size)
    return found


@dataclass
class Kill:
    """Where a kill fell."""

    how: str
    step: int
    epoch: int
    left: tuple[str, ...]


def num_lines(run: Path) -> int:
    history = run / "history.jsonl"
    return history.read_bytes().count(b"\n") if history.exists() else 0


def kill_by_the_clock(process: subprocess.Popen[bytes], luck: np.random.Generator, run: Path) -> str:
    lines, seconds = int(luck.integers(0, MOST_LINES + 1)), luck.uniform(0, MOST_SECONDS)
    goal = num_lines(run) + lines
    wait_until(lambda: num_lines(run) >= goal, process)
    time.sleep(seconds)
    process.kill()
    return f"{lines} lines + {1000 * seconds:.0f} ms"


def kill_at_a_write(process: subprocess.Popen[bytes], luck: np.random.Generator, run: Path) -> str:
    left = count = int(luck.integers(1, MOST_WRITES + 1))
    before = listing(run / "checkpoints")
    while left and process.poll() is None:
        now = listing(run / "checkpoints")
        left -= now != before
        before = now
    process.kill()
    return f"{count} writes"


def newest(run: Path) -> dict[str, Any]:
    """The counters of the newest checkpoint; whatever has a final name must verify, for names appear last."""
    found = []
    for name in ("last", "previous"):
        path = run / "checkpoints" / f"{name}.safetensors"
        if path.exists():
            found.append(read_tensors(path)[1])
    for path in (run / "checkpoints/best.safetensors", run / "model.safetensors"):
        if path.exists():
            read_tensors(path)
    assert found, f"{run} has no checkpoint left"
    assert found[0]["step"] == max(card["step"] for card in found)
    return found[0]


def farm(root: Path, run: str, num_kills: int, seed: int) -> list[Kill]:
    """Trains to the end through so many kills, by turns by the clock and at a write."""
    luck, folder = np.random.default_rng(seed), root / run
    process, kills, step = start_new(root, run), [], 0
    begun, before = folder / "checkpoints/last.safetensors", 0
    for number in range(num_kills):
        wait_until(lambda begun=begun, before=before: changed_at(begun) > before, process)
        how = (kill_by_the_clock, kill_at_a_write)[number % 2](process, luck, folder)
        assert process.wait() == -9, f"the run ended before it was killed: {(root / f'{run}.txt').read_text()}"
        card = newest(folder)
        assert card["step"] >= step
        step = card["step"]
        odd = {".tmp": "a file half written", "fresh.safetensors": "a checkpoint not in place"}
        left = [text for end, text in odd.items() for name in listing(folder / "checkpoints") if name.endswith(end)]
        if not (folder / "checkpoints/last.safetensors").exists():
            left.append("no last checkpoint")
        kills.append(Kill(how=how, step=step, epoch=card["epoch"], left=tuple(left)))
        begun, before = RunFolder(folder).history, changed_at(RunFolder(folder).history)  # a resumed run rewrites it
        process = start(root, run, "--resume")
    assert process.wait(timeout=120) == 0, (root / f"{run}.txt").read_text()
    return kills


def timeless(folder: Path) -> list[dict[str, Any]]:
    rows = RunFolder(folder).read_history()
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s")} for row in rows]


def without_times(card: dict[str, Any]) -> dict[str, Any]:
    sums = {name: {**card[name], "seconds": 0} for name in ("batch", "window", "whole", "recent")}
    return {**card, **sums, "seconds": 0}


def assert_same_run(first: Path, second: Path) -> None:
    assert timeless(first) == timeless(second)
    for name in ("last", "previous"):
        ours, our_card = read_tensors(first / f"checkpoints/{name}.safetensors")
        theirs, their_card = read_tensors(second / f"checkpoints/{name}.safetensors")
        assert {key.partition("/")[0] for key in ours} == {"net", "average", "optimiser", "generator"}
        assert ours.keys() == theirs.keys()
        for key, array in ours.items():
            np.testing.assert_array_equal(array, theirs[key], err_msg=key)
        assert without_times(our_card) == without_times(their_card)
    ours, theirs = (read_tensors(run / "model.safetensors")[0] for run in (first, second))
    assert all(np.array_equal(array, theirs[name]) for name, array in ours.items())
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (first, second)]
    assert {**metrics[0], "seconds": 0} == {**metrics[1], "seconds": 0}
    assert (first / "predictions.csv").read_bytes() == (second / "predictions.csv").read_bytes()


@dataclass
class Yard:
    """A folder with pictures, the launcher, and `whole`: a run that nothing interrupts, under way."""

    root: Path
    process: subprocess.Popen[bytes]

    def whole(self) -> Path:
        """The uninterrupted run, finished."""
        assert self.process.wait(timeout=120) == 0, (self.root / "whole.txt").read_text()
        return self.root / "whole"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    root = tmp_path_factory.mktemp("farm")
    write_shapes(root / "shapes/train", 10, seed=1)
    write_shapes(root / "shapes/val", 5, seed=2)
    (root / "launcher.py").write_text(LAUNCHER)
    process = start_new(root, "whole")
    yield Yard(root=root, process=process)
    process.kill()
    process.wait()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_a_run_that_is_killed_five_times_is_bit_identical(yard: Yard, seed: int) -> None:
    kills = farm(yard.root, f"run-{seed}", 5, seed)
    print(*kills, sep="\n")
    assert len(kills) == 5
    assert 0 < kills[-1].epoch < EPOCHS  # the kills fell within the training
    assert_same_run(yard.root / f"run-{seed}", yard.whole())


def test_the_farm_would_see_a_damaged_checkpoint(yard: Yard, tmp_path: Path) -> None:
    """The check after each kill can fail."""
    (tmp_path / "checkpoints").mkdir()
    content = bytearray((yard.whole() / "checkpoints/last.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "checkpoints/last.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        newest(tmp_path)


def test_what_a_killed_process_left_half_written_goes(yard: Yard, tmp_path: Path) -> None:
    """A full-size net's checkpoint has 0.5 GB; each kill while it is written would leave as much behind."""
    settings = {"training.batch_size": 15, "model.image_size": 28, "training.precision": "fp32"}
    run = tmp_path / "run"
    alexnet.train(yard.root / "shapes", "lenet", epochs=1, run=run, settings=settings, reporter=Silent())
    left = [run / "checkpoints/.fresh.safetensors.99999.tmp", run / ".history.jsonl.99999.tmp"]
    for path in left:
        path.write_bytes(b"half")
    alexnet.train(yard.root / "shapes", epochs=2, run=run, resume=True, reporter=Silent())
    assert [path for path in left if path.exists()] == []
