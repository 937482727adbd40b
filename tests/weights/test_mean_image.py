"""A mean picture is a part of the preprocessing, and travels with the weights like the rest of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import alexnet
from alexnet.errors import WeightsError
from alexnet.model import AlexNet
from alexnet.spec import PictureSpec
from alexnet.training import Silent
from alexnet.weights import Card, read_tensors, read_weights, write_tensors, write_weights

PICTURE = PictureSpec(
    channels=3,
    size=28,
    resize=30,
    fit="stretch",
    scale=1 / 255,
    mean=(0.1, 0.2, 0.3),
    std=(1.0, 2.0, 3.0),
    mean_window="crop",
    mean_image=np.random.default_rng(0).normal(size=(3, 30, 30)).astype(np.float32),
)
CARD = Card(variant="lenet", picture=PICTURE, classes=("a", "b"))
TENSORS = {"x": np.arange(4, dtype=np.float32)}


@pytest.mark.parametrize("window", ["crop", "centre"])
def test_out_and_in_again_are_the_same_bits(tmp_path: Path, window: str) -> None:
    odd = PICTURE.mean_image.copy()
    odd[0, 0, :4] = -0.0, 1e-45, np.float32(1) / 3, 3e38
    card = dataclasses.replace(CARD, picture=dataclasses.replace(PICTURE, mean_window=window, mean_image=odd))
    write_weights(tmp_path / "weights", TENSORS, card)
    found = read_weights(tmp_path / "weights")
    assert found.card == card
    assert found.card.picture.mean_window == window
    assert found.card.picture.mean_image.dtype == np.float32
    assert found.card.picture.mean_image.tobytes() == odd.tobytes()
    assert {name: array.tolist() for name, array in found.tensors.items()} == {"x": [0, 1, 2, 3]}


def test_without_a_mean_picture_none_comes_back(tmp_path: Path) -> None:
    plain = dataclasses.replace(PICTURE, mean_window=None, mean_image=None)
    write_weights(tmp_path / "weights", TENSORS, dataclasses.replace(CARD, picture=plain))
    found = read_weights(tmp_path / "weights").card.picture
    assert (found.mean_window, found.mean_image) == (None, None)
    assert list(read_tensors(tmp_path / "weights")[0]) == ["x"]


def changed_file(path: Path, image: Any = "kept", **changes: Any) -> None:
    """A file as `write_weights` leaves it, with another mean picture or none, and other facts of the picture."""
    write_weights(path, TENSORS, CARD)
    tensors, header = read_tensors(path)
    if image is None:
        del tensors["mean_image"]
    elif not isinstance(image, str):
        tensors["mean_image"] = image
    write_tensors(path, tensors, {**header, "picture": {**header["picture"], **changes}})


def test_the_file_made_for_the_refusals_is_read(tmp_path: Path) -> None:
    changed_file(tmp_path / "weights")
    assert read_weights(tmp_path / "weights").card == CARD


@pytest.mark.parametrize(
    ("image", "changes"),
    [
        (None, {}),
        (np.zeros((3, 28, 28), np.float32), {}),
        (np.zeros((1, 30, 30), np.float32), {}),
        (np.zeros((3, 30), np.float32), {}),
        (np.zeros((30, 30, 3), np.float32), {}),
        (np.zeros((3, 30, 30), np.float64), {}),
        (np.zeros((3, 30, 30), np.uint8), {}),
        ("kept", {"mean_window": None}),
        ("kept", {"mean_window": "corner"}),
        ("kept", {"mean_window": ["crop"]}),
        ("kept", {"resize": 29}),
        ("kept", {"channels": 1, "mean": [0.0], "std": [1.0]}),
    ],
)
def test_a_mean_picture_that_is_not_the_cards_is_refused(tmp_path: Path, image: Any, changes: dict[str, Any]) -> None:
    changed_file(tmp_path / "weights", image, **changes)
    with pytest.raises(WeightsError, match=r"card of .* cannot be used"):
        read_weights(tmp_path / "weights")


@pytest.mark.parametrize("window", ["crop", "centre"])
def test_a_trained_runs_mean_picture_is_used(shapes: Path, tiny_net: str, tmp_path: Path, window: str) -> None:
    """The mean is counted here from the files, and the answers computed from slices."""
    settings = {
        "model.image_size": 28,
        "picture.resize": 32,
        "picture.mean": "training-image",
        "picture.mean_window": window,
        "augment.crop": "random",
        "augment.flip": True,
        "training.epochs": 1,
        "training.batch_size": 30,
        "training.precision": "fp32",
    }
    run = alexnet.train(shapes, tiny_net, run=tmp_path / "run", settings=settings, reporter=Silent())
    files = sorted((shapes / "train").rglob("*.png"))
    pixels = [np.asarray(Image.open(path), np.float64).transpose(2, 0, 1) for path in files]
    mean = np.mean(pixels, axis=0) / 255  # 32 × 32 already
    classifier = alexnet.load(run.folder)
    spec = classifier.card.picture
    assert (spec.mean_window, spec.size, spec.resize) == (window, 28, 32)
    np.testing.assert_allclose(spec.mean_image, mean, atol=1e-6)
    np.testing.assert_allclose(spec.mean, mean.mean((1, 2)), atol=1e-6)

    net = AlexNet(classifier.card.network()).double().eval()
    stored = read_weights(run.folder).tensors
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in stored.items()})
    for path in sorted((shapes / "val").rglob("*.png"))[::7]:
        picture = np.asarray(Image.open(path), np.float64).transpose(2, 0, 1)
        margin = slice(2, 30)
        values = picture[:, margin, margin] / 255 - mean[:, margin, margin]
        with torch.no_grad():
            expected = torch.softmax(net(torch.from_numpy(values)[None]), 1)[0].numpy()
        found = {guess.index: guess.probability for guess in classifier.predict(str(path), views=1)}
        np.testing.assert_allclose([found[k] for k in range(3)], expected, atol=1e-5)

        # Ten views, where the two windows differ.
        rows = []
        for top, left in ((0, 0), (0, 4), (2, 2), (4, 0), (4, 4)):
            crop = picture[:, top : top + 28, left : left + 28] / 255
            own = mean[:, top : top + 28, left : left + 28]
            centre = mean[:, margin, margin]
            rows.append(crop - (own if window == "crop" else centre))
            rows.append((crop - own)[:, :, ::-1] if window == "crop" else crop[:, :, ::-1] - centre)
        with torch.no_grad():
            expected = torch.softmax(net(torch.from_numpy(np.array(rows))), 1).mean(0).numpy()
        found = {guess.index: guess.probability for guess in classifier.predict(str(path), views=10)}
        np.testing.assert_allclose([found[k] for k in range(3)], expected, atol=1e-5)
