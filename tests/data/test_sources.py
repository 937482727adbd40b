"""From what a person types to the pictures of a run: known names, held-out pictures, refusals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet.config import PHOTOS, RunConfig, make_config
from alexnet.data import SOURCES, default_recipe, open_data, open_for_run
from alexnet.data.pictures import hold_out, picture_set
from alexnet.errors import DataError

WriteClasses = Callable[..., Path]


def config(data: object, **settings: object) -> RunConfig:
    return make_config(str(data), "half", {f"data.{name}": value for name, value in settings.items()})


def test_known_sources_are_what_they_say() -> None:
    assert list(SOURCES) == ["sample", "mnist", "fashion-mnist", "cifar10", "cifar100"]
    sample = open_data("sample")
    source = SOURCES["sample"]
    assert (len(sample.splits["train"]), len(sample.splits["test"])) == (source.train, source.test)
    assert (len(sample.classes), sample.channels) == (source.classes, source.channels)
    assert sample.splits["train"].pixels.shape[-1] == source.side


def test_default_models() -> None:
    assert {name: default_recipe(name).model.name for name in SOURCES} == {
        "sample": "keras",
        "mnist": "keras",
        "fashion-mnist": "keras",
        "cifar10": "half",
        "cifar100": "half",
    }
    assert default_recipe("some/folder") == default_recipe("hf:beans") == PHOTOS


def test_last_pictures_are_held_out() -> None:
    pictures = picture_set(np.zeros((10, 1, 2, 2), np.uint8), np.arange(10) % 3, "train")
    stays, aside = hold_out(pictures, 0.25, "last", 0)
    assert list(aside.names) == ["train/00008", "train/00009"]
    assert list(stays.names) == [f"train/{number:05d}" for number in range(8)]
    with pytest.raises(DataError, match="10 pictures are too few to set 5% aside"):
        hold_out(pictures, 0.05, "last", 0)


def test_a_random_share_of_each_class_is_held_out() -> None:
    labels = np.repeat(np.arange(4), (100, 50, 7, 1))
    pictures = picture_set(np.zeros((158, 1, 2, 2), np.uint8), labels, "train")
    stays, aside = hold_out(pictures, 0.1, "random", 3)
    assert np.bincount(aside.labels, minlength=4).tolist() == [10, 5, 1, 0]
    assert sorted([*stays.names, *aside.names]) == list(pictures.names)
    assert list(aside.names) == sorted(aside.names)
    assert list(hold_out(pictures, 0.1, "random", 3)[1].names) == list(aside.names)
    assert list(hold_out(pictures, 0.1, "random", 4)[1].names) != list(aside.names)


def test_batches_are_the_pictures_asked_for() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4)).astype(np.uint8)
    pictures = picture_set(pixels, np.arange(20) % 5, "train").take(np.array([3, 4, 5, 6, 19, 0]))
    for index in ([0, 1, 2], [0, 2, 1, 3], [2, 1, 0], [5, 4], [3, 4, 5], [1, 1], [0], []):
        found, labels = pictures.batch(np.array(index, np.int64))
        rows = np.array([3, 4, 5, 6, 19, 0])[np.array(index, np.int64)]
        np.testing.assert_array_equal(found, pixels[rows])
        np.testing.assert_array_equal(labels, rows % 5)


def test_a_missing_split_is_named() -> None:
    data = open_data("sample")
    assert data.split("val", "test") is data.splits["test"]
    with pytest.raises(DataError, match="«sample» has no val pictures, only train, test"):
        data.split("val")


def test_a_run_holds_pictures_out_where_the_data_has_none(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {f"{split}/{name}": 10 for split in ("train", "test") for name in "ab"})
    held = open_for_run(config(root, holdout=0.2), 8)
    assert {split: len(part) for split, part in held.splits.items()} == {"train": 16, "val": 4, "test": 20}
    assert np.bincount(held.splits["val"].labels).tolist() == [2, 2]
    assert any("4 training pictures" in note for note in held.notes)
    last = open_for_run(config(root, holdout=0.2, holdout_rule="last"), 8)
    assert np.bincount(last.splits["val"].labels).tolist() == [0, 4]
    assert "val" not in open_for_run(config(root), 8).splits


def test_a_run_takes_the_validation_pictures_that_are_there(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {f"{split}/{name}": 5 for split in ("train", "val") for name in "ab"})
    data = open_for_run(config(root, holdout=0.5), 8)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 10, "val": 10}


def test_a_run_needs_two_classes(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"only": 5})
    with pytest.raises(DataError, match="single class, only") as caught:
        open_for_run(config(root), 8)
    assert caught.value.hint


def test_a_run_refuses_more_than_one_damaged_picture_in_a_hundred(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 100, "b": 100})
    for number in range(2):
        (root / f"a/{number:03d}.png").write_bytes(b"")
    assert len(open_for_run(config(root), 8).damaged) == 2
    (root / "b/000.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 of 200 pictures are damaged, more than 1%"):
        open_for_run(config(root), 8)


def test_the_seed_of_the_run_divides_the_folder(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 20, "b": 20})
    names = []
    for seed in (0, 0, 1):
        base = config(root)
        run = dataclasses.replace(base, training=dataclasses.replace(base.training, seed=seed))
        names.append(list(open_for_run(run, 8).splits["val"].names))
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("data", ["nowhere/at-all", "./nowhere", "~/nowhere", "papper", "mnits", "torchvison:MNIST"])
def test_unknown_data_is_refused_with_a_hint(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError) as caught:
        open_data(data)
    assert caught.value.exit_code == 3
    assert data in caught.value.message
    assert caught.value.hint
