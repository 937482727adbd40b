"""One answer, whatever computes it; and none of it needs torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import alexnet
from alexnet.config import make_config
from alexnet.data import centre_view, ten_views, views_of
from alexnet.errors import ConfigError, WeightsError
from alexnet.predict import Classifier, OnnxNet, TorchNet
from alexnet.spec import PictureSpec
from alexnet.training import Run, Silent, train_new

GREY, RGB = (117.0,), (127.3, 119.7, 104.9)


def specs() -> Iterator[PictureSpec]:
    facts: dict[str, Any] = {"fit": "stretch", "scale": 1.0}
    for channels, mean in ((1, GREY), (3, RGB)):
        for size, resize in ((24, 24), (24, 32)):
            whole = {"channels": channels, "size": size, "resize": resize, "mean": mean, "std": (58.0,) * channels}
            yield PictureSpec(**facts, **whole)
            image = np.random.default_rng(0).uniform(0, 255, (channels, resize, resize)).astype(np.float32)
            yield PictureSpec(**facts, **whole, mean_window="crop", mean_image=image)
            yield PictureSpec(**facts, **whole, mean_window="centre", mean_image=image)


@pytest.mark.parametrize("spec", list(specs()))
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 32), (3, 24, 24), (3, 13, 13), (1, 50, 50)])
def test_views_without_torch_are_those_of_evaluation(spec: PictureSpec, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    batch = torch.from_numpy(pixels)[None]
    np.testing.assert_allclose(views_of(pixels, spec), centre_view(batch, spec).numpy(), atol=1e-6)
    if spec.resize == spec.size:
        with pytest.raises(ConfigError, match="Ten views"):
            views_of(pixels, spec, 10)
        return
    np.testing.assert_allclose(views_of(pixels, spec, 10), ten_views(batch, spec)[:, 0].numpy(), atol=1e-6)


@pytest.fixture(scope="module")
def run(shapes: Path, tiny_net: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {
        "training.epochs": 2,
        "training.batch_size": 16,
        "training.precision": "fp32",
        "model.image_size": 28,
        "picture.resize": 32,
        "picture.mean": "training-image",
        "picture.scale": 1 / 64,
        "optim.lr": 0.05,
    }
    return train_new(
        make_config(str(shapes), tiny_net, settings), run=tmp_path_factory.mktemp("run") / "r", reporter=Silent()
    )


@pytest.mark.parametrize("views", [1, 10])
def test_both_runtimes_say_the_same(run: Run, shapes: Path, views: int) -> None:
    first, second = alexnet.load(run.folder), alexnet.load(run.folder, runtime="torch")
    assert isinstance(first.net, OnnxNet)
    assert isinstance(second.net, TorchNet)
    for picture in sorted((shapes / "val").rglob("*.png")):
        ours, theirs = first.predict(picture, views=views), second.predict(picture, views=views)
        assert [guess.label for guess in ours] == [guess.label for guess in theirs]
        assert [guess.probability for guess in ours] == pytest.approx([guess.probability for guess in theirs], abs=2e-6)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_folder_gives_each_picture_its_own_answer_in_order(
    run: Run, shapes: Path, tmp_path: Path, runtime: str
) -> None:
    classifier = alexnet.load(run.folder, runtime=runtime)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    pictures = [str(path) for path in sorted((shapes / "train").rglob("*.png"))]
    paths = [*pictures[:5], str(broken), *pictures[5:], str(tmp_path / "missing.png")]
    found = list(classifier.predict_files(iter(paths), top=3))
    assert [item.path for item in found] == paths
    assert [item.path for item in found if item.error] == [str(broken), str(tmp_path / "missing.png")]
    for item in found[::7]:
        if not item.error:
            alone = classifier.predict(item.path, top=3)
            assert [guess.index for guess in item.guesses] == [guess.index for guess in alone]
            expected = [guess.probability for guess in alone]
            assert [guess.probability for guess in item.guesses] == pytest.approx(expected, abs=1e-6)
    assert list(classifier.predict_files([])) == []


def test_a_graph_of_other_weights_is_not_used(run: Run, shapes: Path, tmp_path: Path) -> None:
    """After a training goes on, the weights may lie elsewhere in their file."""
    picture = next((shapes / "val").rglob("*.png"))
    (tmp_path / "model.safetensors").write_bytes((run.folder / "model.safetensors").read_bytes())
    expected = alexnet.load(tmp_path).predict(picture)
    assert expected == alexnet.load(run.folder).predict(picture)
    stale = (run.folder / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(stale[: len(stale) // 2] + stale[-100:])
    with pytest.raises(WeightsError, match="cannot be used"):
        alexnet.load(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"of another file")
    assert alexnet.load(tmp_path).predict(picture) == expected


def test_what_cannot_be_is_said(run: Run) -> None:
    with pytest.raises(ConfigError, match="ONNX Runtime computes on the CPU"):
        Classifier(run.folder, "cuda", "onnx")


def test_a_prediction_imports_no_torch(run: Run, shapes: Path) -> None:
    """Torch takes longer to import than the answer."""
    picture = str(next((shapes / "val").rglob("*.png")))
    card = "import sys\nsys.argv = ['alexnet']\nfrom alexnet.cli.main import main\n"
    code = (
        f"{card}code = main(['predict', {str(run.folder)!r}, {picture!r}, '--json'])\nassert 'torch' not in sys.modules"
    )
    # The narrow net is not known to a new process, so its layers are declared there too.
    declare = (
        "import dataclasses, alexnet.config, alexnet.spec as s, alexnet.spec.variants as v\n"
        "narrow = v.changed(v.KERAS, conv1={'filters': 16}, conv2={'filters': 24}, conv3={'filters': 24},"
        " conv4={'filters': 24}, conv5={'filters': 32}, fc6={'features': 64}, fc7={'features': 32})\n"
        "s.VARIANTS['tiny'] = dataclasses.replace(s.VARIANTS['keras'], name='tiny', layers=narrow)\n"
    )
    done = subprocess.run([sys.executable, "-c", declare + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["guesses"]
