"""Several seeds, the search for a rate, the components of colours, and a disk that is too small."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.cli.main import main
from alexnet.errors import StorageError
from alexnet.training.find_rate import RateSearch

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("tiny_net")
FAST = ("--set", "training.batch_size=16", "--image-size", "28", "--precision", "fp32")


def ask(capsys: Capture, *arguments: str) -> tuple[int, Any, str]:
    """(exit code, the JSON on standard output, standard error) of a command."""
    capsys.readouterr()
    code = main([*arguments, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def test_seeds_give_mean_and_spread(shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "all"
    train = ("train", str(shapes), "--model", "tiny", "--epochs", "1", *FAST, "--seed", "7", "--seeds", "2")
    code, found, _ = ask(capsys, *train, "--run", str(folder))
    assert code == 0
    assert json.loads((folder / "seeds.json").read_text()) == found
    runs = [json.loads((folder / f"seed-{seed}" / "metrics.json").read_text()) for seed in (7, 8)]
    assert [run["seed"] for run in runs] == [7, 8]
    for rate in ("top1", "top5", "loss"):
        values = [run[rate] for run in runs]
        assert found[rate]["values"] == values
        assert found[rate]["mean"] == pytest.approx(statistics.mean(values))
        assert found[rate]["spread"] == pytest.approx(statistics.stdev(values))
    assert len({run["loss"] for run in runs}) == 2
    # A seed trained alone is the same run.
    alone = tmp_path / "alone"
    code, one, _ = ask(capsys, *train[:-2], "--run", str(alone))
    assert (code, one["loss"]) == (0, runs[0]["loss"])
    assert ask(capsys, *train, "--run", str(folder))[0] == 7
    # One run is lost, of one the report: --resume makes what is missing, and the same numbers.
    shutil.rmtree(folder / "seed-8")
    (folder / "seed-7" / "metrics.json").unlink()
    code, again, _ = ask(capsys, *train, "--run", str(folder), "--resume")
    assert code == 0
    assert again["loss"] == found["loss"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--seeds", "1"), 2),
        (("--seeds", "2", "--find-lr"), 2),
        (("--seeds", "2", "--resume"), 2),
        (("--seeds", "2", "--resume", "--run", "nowhere"), 4),
        (("--find-lr", "--resume"), 2),
    ],
)
def test_seeds_and_search_used_wrongly(shapes: Path, capsys: Capture, arguments: tuple[str, ...], code: int) -> None:
    found, out, err = ask(capsys, "train", str(shapes), "--model", "tiny", *FAST, *arguments)
    assert (found, out) == (code, None)
    assert json.loads(err)["hint"]


def test_find_lr(shapes: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "search"
    code, found, _ = ask(capsys, "train", str(shapes), "--model", "tiny", *FAST, "--find-lr", "--run", str(folder))
    assert code == 0
    assert found["rates"][0] == pytest.approx(1e-6)
    assert found["rates"] == sorted(found["rates"])
    assert found["losses"][found["rates"].index(found["lowest"])] == min(found["losses"][10:])
    # The smallest rates teach nothing, some rate in between does.
    assert np.ptp(found["losses"][30:60]) < 0.1
    assert min(found["losses"]) < 0.95 * np.mean(found["losses"][:60])
    assert 1e-4 < found["suggested"] <= found["lowest"] / 9
    with Image.open(folder / "find-lr.png") as plot:
        assert plot.width > 300
    with open(folder / "find-lr.csv", encoding="utf-8") as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == pytest.approx(found["rates"])
    assert json.loads((folder / "find-lr.json").read_text()) == found


@pytest.mark.parametrize(
    ("lowest", "stable", "suggested"), [(0.062, None, 0.006), (0.5, 0.0041, 0.002), (1.0, 44.0, 0.1)]
)
def test_the_suggested_rate(lowest: float, stable: float | None, suggested: float) -> None:
    search = RateSearch(folder=Path(), rates=(), losses=(), lowest=lowest, largest_stable=stable)
    assert search.suggested == suggested


def test_data_pca(shapes: Path, capsys: Capture) -> None:
    code, found, _ = ask(capsys, "data", "pca", str(shapes))
    assert code == 0
    files = sorted((shapes / "train").rglob("*.png"))
    pixels = np.concatenate([np.asarray(Image.open(file)).reshape(-1, 3) / 255 for file in files])
    values, vectors = np.linalg.eigh(np.cov(pixels.T, ddof=0))
    np.testing.assert_allclose(found["eigenvalues"], values[::-1], rtol=1e-9)
    np.testing.assert_allclose(found["deviations"], 255 * np.sqrt(values[::-1]), rtol=1e-9)
    np.testing.assert_allclose(np.abs(found["vectors"]), np.abs(vectors.T[::-1]), atol=1e-6)
    np.testing.assert_allclose(found["noise"]["paper"], 25.5 * values[::-1], rtol=1e-9)
    np.testing.assert_allclose(found["noise"]["program"], 25.5 * np.sqrt(values[::-1]), rtol=1e-9)
    assert main(["data", "pca", str(shapes)]) == 0
    out = capsys.readouterr().out
    assert f"{values[-1]:.5f}" in out
    assert ask(capsys, "data", "pca", "sample")[0] == 3
    assert ask(capsys, "data", "pca")[0] == 3
    assert ask(capsys, "data", "sample", "mnist")[0] == 2


def test_a_disk_that_is_too_small_is_said_before_the_first_step(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=400_000))
    folder = tmp_path / "run"
    code, _, err = ask(capsys, "train", str(shapes), "--model", "tiny", *FAST, "--run", str(folder))
    assert code == StorageError.exit_code == 6
    assert "MB are missing" in json.loads(err)["error"]
    assert not folder.exists()
