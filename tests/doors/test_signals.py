"""Real processes that are stopped: the exit code, what is left, and that the run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import write_shapes

TRAIN = ("train", "--model", "lenet", "--set", "training.batch_size=16", "--image-size", "28", "--epochs", "400")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alexnet", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Until a file has so many lines."""
    for _ in range(600):
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on(shapes: Path, tmp_path: Path, number: int, code: int) -> None:
    process = start(tmp_path, *TRAIN, str(shapes), "--run", "run", "--json")
    wait_for(tmp_path / "run" / "history.jsonl", 3, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == ""
    assert json.loads(err)["kind"] == "interrupted"
    assert "--resume" in json.loads(err)["hint"]
    epochs = json.loads((tmp_path / "run" / "history.jsonl").read_text().splitlines()[-1])["epoch"] + 1
    resumed = start(tmp_path, "train", "--resume", "--run", "run", "--epochs", str(epochs), "--json")
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert json.loads(out)["epochs"] == epochs


def test_a_killed_run_goes_on(shapes: Path, tmp_path: Path) -> None:
    process = start(tmp_path, *TRAIN, str(shapes), "--run", "run")
    wait_for(tmp_path / "run" / "history.jsonl", 1, process)
    second = start(tmp_path, "train", "--resume", "--run", "run")
    _, err = second.communicate(timeout=30)
    assert second.returncode == 7
    assert str(process.pid) in err
    process.kill()
    process.communicate()
    epochs = (tmp_path / "run" / "history.jsonl").read_text().count('"val"') + 1
    resumed = start(tmp_path, "train", "--resume", "--run", "run", "--epochs", str(epochs), "--json")
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert json.loads(out)["epochs"] == epochs


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_decoding_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setenv("ALEXNET_CACHE", str(tmp_path / "cache"))
    write_shapes(tmp_path / "many" / "train", 1000)
    process = start(tmp_path, *TRAIN, "many")
    packs = tmp_path / "cache" / "packs"
    while not (packs.exists() and list(packs.glob(".*.tmp"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.splitlines()[-1] == "alexnet: Stopped before there was anything to save."
    assert list(packs.iterdir()) == []
    assert not (tmp_path / "runs").exists()


def test_output_that_cannot_be_written() -> None:
    command = f"{sys.executable} -m alexnet models --json"
    full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert full.returncode == 6
    assert "Standard output" in full.stderr
    assert "Traceback" not in full.stderr
    closed = subprocess.run(["bash", "-c", f"{command} | true"], capture_output=True, text=True, check=False)
    assert closed.stderr == ""
