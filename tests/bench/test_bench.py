"""The bench measures what it says; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet.bench import FULL, SHORT, Row, run_bench
from alexnet.bench.plain import Pictures, plain_net, predict_plainly
from alexnet.bench.run import Comparison
from alexnet.cli.main import main
from alexnet.data import open_data
from alexnet.errors import ConfigError
from alexnet.model import create
from alexnet.spec import VARIANTS


def test_a_comparison_runs_both_sides() -> None:
    comparison = Comparison(name="tiny", kind="step", net="lenet", batch=4, precision="fp32", goal=1.0, repeats=2)
    machine, row = run_bench((comparison,), 2, matrix=256)
    assert isinstance(machine, dict)
    assert machine["torch"] == torch.__version__
    assert isinstance(row, Row)
    assert row.rounds == 2
    assert row.ratio > 0
    assert row.share is not None
    assert 0 < row.share < 2
    assert row.own_peak_bytes > 10**8


def test_every_comparison_names_a_net_and_a_task() -> None:
    for comparison in (*SHORT, *FULL):
        assert comparison.kind in ("step", "norms", "epoch", "latency", "folder", "start")
        assert comparison.kind == "norms" or comparison.net in VARIANTS
        assert comparison.goal > 1


@pytest.mark.parametrize("name", ["paper", "museum", "cifar-18pct", "lenet"])
def test_the_plain_side_is_the_same_net(name: str) -> None:
    """Its normalisation is torch's own; inside towers torch's crosses the boundary, a few channels of many."""
    own, plain = create(name, classes=4, seed=0).eval(), plain_net(name, 4).eval()
    plain.load_state_dict(own.state_dict())
    size = own.spec.image_size
    pictures = torch.randn(1, own.spec.channels, size, size) * 30
    with torch.no_grad():
        torch.testing.assert_close(own(pictures), plain(pictures), rtol=1e-2, atol=1e-3)


def test_the_plain_pictures() -> None:
    data = open_data("sample")
    values, label = Pictures(data.splits["train"], "lenet", 28, None)[3]
    pixels, labels = data.splits["train"].batch(np.array([3]))
    assert label == labels[0]
    np.testing.assert_allclose(values.numpy(), pixels[0] / 255, atol=1e-6)
    cut, _ = Pictures(data.splits["train"], "half", 224, None)[3]
    assert cut.shape == (1, 224, 224)


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nothing", "--json"]) == 2
    assert "step, torchvision" in json.loads(capsys.readouterr().err)["hint"]
    with pytest.raises(ConfigError, match="0 rounds"):
        next(run_bench(SHORT, 0))
    broken = Comparison(name="x", kind="step", net="papper", precision="fp32", goal=1.0)
    with pytest.raises(ConfigError, match="papper"):
        list(run_bench((broken,), 1, matrix=256))


@pytest.mark.slow
def test_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]] == [comparison.name for comparison in SHORT]


def test_a_plain_prediction_reads_every_picture(tmp_path: Path) -> None:
    from alexnet.bench.material import make_material

    make_material(tmp_path, "torchvision")
    pictures = [str(path) for path in sorted(tmp_path.glob("*.jpg"))][:2]
    assert predict_plainly(pictures, tmp_path / "plain.pt", "torchvision") == 2
