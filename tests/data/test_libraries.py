"""Other libraries' data sets, from files on this machine: torchvision's MNIST, Country211, ImageFolder; hf:FOLDER."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import open_data
from alexnet.errors import DataError

from .conftest import IDX_NAMES

WriteClasses = Callable[..., Path]

for library in ("torchvision", "datasets"):
    assert importlib.util.find_spec(library), f"the tests need {library}"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither library may ask a server; both must do with the test's files."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")


def test_torchvision_mnist_equals_our_own(tmp_path: Path, write_mnist: Callable[..., dict]) -> None:
    """torchvision asks only that the four unpacked files exist below MNIST/raw."""
    arrays = write_mnist(tmp_path / "MNIST/raw")
    data = open_data("torchvision:MNIST", root=str(tmp_path))
    ours = open_data("mnist", root=str(tmp_path / "MNIST/raw"))
    assert data.classes[3] == "3 - three"
    assert data.channels == 1
    assert data.name == "torchvision:MNIST"
    for split in ("train", "test"):
        np.testing.assert_array_equal(data.splits[split].pixels, ours.splits[split].pixels)
        np.testing.assert_array_equal(data.splits[split].labels, ours.splits[split].labels)
    assert len(arrays[IDX_NAMES[0]]) == 20


def test_torchvision_lies_in_our_cache_by_default(cache: Path, write_mnist: Callable[..., dict]) -> None:
    write_mnist(cache / "torchvision/FashionMNIST/raw")
    assert len(open_data("torchvision:FashionMNIST").splits["test"]) == 10


def test_torchvision_splits_by_name(tmp_path: Path, write_classes: WriteClasses) -> None:
    """Country211 spells its splits train, valid and test, and needs only its folder."""
    counts = {"train": 4, "valid": 2, "test": 3}
    root = write_classes(
        tmp_path, {f"country211/{split}/{name}": count for split, count in counts.items() for name in ("AD", "ZW")}
    )
    data = open_data("torchvision:Country211", root=str(root), size=8)
    assert data.classes == ("AD", "ZW")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 8, "val": 4, "test": 6}
    expected = np.asarray(Image.open(root / "country211/valid/ZW/001.png")).transpose(2, 0, 1)
    np.testing.assert_array_equal(data.splits["val"].pixels[3], expected)
    assert data.splits["val"].labels.tolist() == [0, 0, 1, 1]


def test_torchvision_splits_spelled_otherwise(tmp_path: Path, write_classes: WriteClasses) -> None:
    """Imagenette spells its second split val, has no third, and names each class by several words."""
    wnids = ("n01440764", "n03888257")
    folders = {f"imagenette2/{split}/{wnid}": count for split, count in (("train", 3), ("val", 2)) for wnid in wnids}
    for path in write_classes(tmp_path, folders).rglob("*.png"):
        path.rename(path.with_suffix(".JPEG"))  # the only ending that it takes; the content decides for Pillow
    data = open_data("torchvision:Imagenette", root=str(tmp_path), size=8)
    assert data.classes == ("tench", "parachute")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 6, "val": 4}


def test_torchvision_with_half_of_its_files(tmp_path: Path, write_classes: WriteClasses) -> None:
    """A split that is there by name and cannot be had is an error, never left out in silence."""
    root = write_classes(tmp_path, {"country211/train/AD": 2, "country211/train/ZW": 2})
    with pytest.raises(DataError, match="Country211"):
        open_data("torchvision:Country211", root=str(root), size=8)


def test_torchvision_without_splits_and_with_several_sizes(
    tmp_path: Path, write_classes: WriteClasses, write_picture: Callable[..., Path]
) -> None:
    root = write_classes(tmp_path / "pictures", {"a": 2, "b": 2})
    write_picture(root / "b/wide.png", 1, 30, 12)
    data = open_data("torchvision:ImageFolder", root=str(root), size=8)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 5}
    assert data.splits["train"].pixels.shape == (5, 3, 8, 8)
    assert data.classes == ("a", "b")


def test_torchvision_unknown_name() -> None:
    with pytest.raises(DataError, match="Did you mean «MNIST»") as caught:
        open_data("torchvision:MNITS")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["ImageFolder", "Country211", "StanfordCars"])
def test_torchvision_without_its_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"torchvision cannot get {name}") as caught:
        open_data(f"torchvision:{name}", root=str(tmp_path))
    assert str(tmp_path) in caught.value.hint


@pytest.mark.parametrize(
    "name", ["FakeData", "CocoDetection", "DatasetFolder", "VisionDataset", "wrap_dataset_for_transforms_v2"]
)
def test_torchvision_data_sets_of_another_form(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError):
        open_data(f"torchvision:{name}", root=str(tmp_path))


def test_torchvision_damaged_files(tmp_path: Path, write_mnist: Callable[..., dict]) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/raw" / IDX_NAMES[0]).write_bytes(b"\0\0\x08\3 no picture")
    with pytest.raises(DataError, match="torchvision"):
        open_data("torchvision:MNIST", root=str(tmp_path))


def test_torchvision_damaged_picture(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "pictures", {"a": 2, "b": 2})
    (root / "a/001.png").write_bytes(b"no picture")
    with pytest.raises(DataError):
        open_data("torchvision:ImageFolder", root=str(root), size=8)


def test_hf_folder_of_pictures(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(
        tmp_path / "set", {f"{split}/{name}": 3 for split in ("train", "test") for name in ("cat", "dog")}
    )
    data = open_data(f"hf:{root}", root=str(tmp_path / "hf-cache"), size=8)
    assert data.classes == ("cat", "dog")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 6, "test": 6}
    found = {
        (square.tobytes(), label)
        for square, label in zip(data.splits["test"].pixels, data.splits["test"].labels, strict=True)
    }
    expected = {
        (np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes(), label)
        for label, name in enumerate(data.classes)
        for path in (root / "test" / name).iterdir()
    }
    assert found == expected


def test_hf_parquet_files(tmp_path: Path) -> None:
    import datasets

    luck = np.random.default_rng(0)
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["no", "yes"])})
    stored = {}
    for split, count in (("train", 6), ("validation", 3)):
        stored[split] = luck.integers(0, 256, (count, 9, 9)).astype(np.uint8)
        rows = {"picture": [Image.fromarray(square) for square in stored[split]], "kind": [i % 2 for i in range(count)]}
        path = tmp_path / f"set/data/{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    data = open_data(f"hf:{tmp_path / 'set'}", root=str(tmp_path / "hf-cache"), size=32)
    assert data.classes == ("no", "yes")
    assert data.channels == 1
    for split, ours in (("train", "train"), ("validation", "val")):
        np.testing.assert_array_equal(data.splits[ours].pixels[:, 0], stored[split])
        assert data.splits[ours].labels.tolist() == [i % 2 for i in range(len(stored[split]))]


def test_hf_refusals(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/train.csv").write_text("text,label\nhello,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected a picture and a class label"):
        open_data(f"hf:{tmp_path / 'texts'}", root=str(tmp_path / "hf-cache"))
    with pytest.raises(DataError, match="cannot get") as caught:
        open_data(f"hf:{tmp_path / 'nowhere'}", root=str(tmp_path / "hf-cache"))
    assert caught.value.exit_code == 3
