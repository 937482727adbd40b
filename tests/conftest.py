"""What all tests share: caches of their own, and small folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.config import RECIPES
from alexnet.spec import VARIANTS
from alexnet.spec.variants import KERAS, changed

CLASSES = ("circle", "cross", "square")


@pytest.fixture(autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the person's caches or data."""
    monkeypatch.setenv("ALEXNET_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("ALEXNET_DATA", raising=False)


@pytest.fixture(autouse=True)
def own_seed() -> Iterator[None]:
    """Each test starts from the same torch generator and leaves it as it was."""
    before = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(before)


def draw_shape(kind: str, luck: np.random.Generator, side: int = 32) -> Image.Image:
    """A bright shape at a random place on dark noise."""
    pixels = luck.integers(0, 70, (side, side, 3)).astype(np.uint8)
    y, x = np.mgrid[:side, :side] - luck.integers(side // 2 - 4, side // 2 + 5, (2, 1, 1))
    inside = {
        "circle": np.abs(np.hypot(x, y) - side / 4) < 2,
        "cross": ((np.abs(x) < 2) | (np.abs(y) < 2)) & (np.maximum(np.abs(x), np.abs(y)) < side / 3),
        "square": np.abs(np.maximum(np.abs(x), np.abs(y)) - side / 4) < 2,
    }[kind]
    pixels[inside] = luck.integers(150, 256, 3)
    return Image.fromarray(pixels)


def write_shapes(folder: Path, per_class: int, seed: int = 0) -> None:
    """A class folder for each kind of shape."""
    luck = np.random.default_rng(seed)
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(per_class):
            draw_shape(kind, luck).save(folder / kind / f"{kind}-{number:03d}.png")


@pytest.fixture(scope="module")
def tiny_net() -> Iterator[str]:
    """The name of a net that is `keras` with narrow layers: all kinds of layers, and checkpoints of 0.3 MB."""
    narrow = changed(
        KERAS,
        conv1={"filters": 16},
        conv2={"filters": 24},
        conv3={"filters": 24},
        conv4={"filters": 24},
        conv5={"filters": 32},
        fc6={"features": 64},
        fc7={"features": 32},
    )
    recipe = RECIPES["keras"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "tiny", replace(VARIANTS["keras"], name="tiny", layers=narrow))
        patch.setitem(RECIPES, "tiny", replace(recipe, model=replace(recipe.model, name="tiny")))
        yield "tiny"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with 90 pictures and val/ with 30, of three classes."""
    root = tmp_path_factory.mktemp("shapes")
    write_shapes(root / "train", 30, seed=1)
    write_shapes(root / "val", 10, seed=2)
    return root
