"""Folders of pictures: what is listed and in which order, what is left out and said, what is refused."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import PictureSet, open_data, walk_pictures
from alexnet.data.folder import check_damage
from alexnet.data.pictures import DataSet
from alexnet.errors import DataError

WriteClasses = Callable[..., Path]


def open_small(root: Path, seed: int = 0, divide: bool = True) -> DataSet:
    return open_data(str(root), size=8, seed=seed, divide=divide)


def assert_true_pixels(root: Path, pictures: PictureSet, classes: tuple[str, ...]) -> None:
    """Each name, label and row of pixels belong together."""
    pixels, labels = pictures.batch(np.arange(len(pictures)))
    for name, square, label in zip(pictures.names, pixels, labels, strict=True):
        expected = np.asarray(Image.open(root / name).convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(square, expected)
        assert classes[label] in Path(name).parts


@pytest.mark.parametrize(
    "spellings",
    [
        {"train": "train", "val": "val"},
        {"train": "train", "test": "test"},
        {"train": "train", "val": "val", "test": "test"},
        {"train": "Training", "val": "Validation", "test": "Testing"},
        {"train": "TRAIN", "val": "valid"},
    ],
    ids=lambda spellings: "+".join(spellings.values()),
)
def test_split_folders(tmp_path: Path, write_classes: WriteClasses, spellings: dict[str, str]) -> None:
    counts = {"train": 5, "val": 2, "test": 3}
    root = write_classes(
        tmp_path / "data", {f"{folder}/{name}": counts[split] for split, folder in spellings.items() for name in "ba"}
    )
    data = open_small(root)
    assert data.classes == ("a", "b")
    assert {split: len(part) for split, part in data.splits.items()} == {
        split: 2 * counts[split] for split in spellings
    }
    for split, part in data.splits.items():
        assert all(name.startswith(spellings[split] + "/") for name in part.names)
        assert_true_pixels(root, part, data.classes)
    assert data.files
    assert data.damaged == ()
    assert data.notes == ()


def test_a_folder_without_splits_is_divided_by_seed(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"cats": 20, "dogs": 10, "rare": 2, "single": 1})
    data = open_small(root)
    assert {split: np.bincount(part.labels).tolist() for split, part in data.splits.items()} == {
        "train": [16, 8, 1, 1],
        "val": [4, 2, 1],
    }
    assert not set(data.splits["train"].names) & set(data.splits["val"].names)
    for part in data.splits.values():
        assert_true_pixels(root, part, data.classes)
    assert any("20%" in note and "seed 0" in note for note in data.notes)
    assert open_small(root).splits["val"].names == data.splits["val"].names
    assert open_small(root, seed=1).splits["val"].names != data.splits["val"].names
    whole = open_small(root, divide=False)
    assert {split: len(part) for split, part in whole.splits.items()} == {"train": 33}


def test_train_alone_is_divided_too(tmp_path: Path, write_classes: WriteClasses) -> None:
    data = open_small(write_classes(tmp_path / "data", {"train/a": 10, "train/b": 10}))
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 16, "val": 4}


def test_classes_and_pictures_are_in_order_of_their_names(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"zebra": 2, "Ant": 2, "ant": 2, "10": 2, "9": 2, "éclair": 2})
    data = open_small(root, divide=False)
    assert data.classes == ("10", "9", "Ant", "ant", "zebra", "éclair")
    names = list(data.splits["train"].names)
    assert names == [f"{name}/{number}.png" for name in data.classes for number in ("000", "001")]


def test_the_order_in_which_files_were_made_does_not_matter(tmp_path: Path, write_picture: Callable[..., Path]) -> None:
    numbers = np.random.default_rng(0).permutation(60)
    for number in numbers:
        write_picture(tmp_path / f"data/{'ab'[number % 2]}/{number:02d}.png", number)
    expected = [f"{'ab'[half]}/{number:02d}.png" for half in (0, 1) for number in range(half, 60, 2)]
    assert list(open_small(tmp_path / "data", divide=False).splits["train"].names) == expected


def test_nested_folders_belong_to_their_class(tmp_path: Path, write_classes: WriteClasses) -> None:
    data = open_small(write_classes(tmp_path / "data", {"a/deep/er": 2, "a": 1, "b/train": 3}), divide=False)
    assert data.classes == ("a", "b")
    assert list(data.splits["train"].names) == [
        "a/000.png",
        "a/deep/er/000.png",
        "a/deep/er/001.png",
        *(f"b/train/00{number}.png" for number in range(3)),
    ]


def test_endings_in_any_case(tmp_path: Path, write_picture: Callable[..., Path]) -> None:
    endings = ("JPG", "jpeg", "Png", "webp", "bmp", "TIF", "tiff", "gif", "ppm")
    for name in ("a", "b"):
        for ending in endings:
            write_picture(tmp_path / f"data/{name}/x.{ending}")
    assert len(open_small(tmp_path / "data", divide=False).splits["train"]) == 2 * len(endings)


def test_what_is_left_out_inside_classes_is_said(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2, "a/.thumbs": 1, "b/__MACOSX": 1})
    (root / "a/.DS_Store").write_bytes(b"x")
    (root / "a/notes.txt").write_text("x", encoding="utf-8")
    data = open_small(root, divide=False)
    assert data.classes == ("a", "b")
    assert len(data.splits["train"]) == 4
    notes = " ".join(data.notes)
    for name in ("a/notes.txt", "a/.DS_Store", "a/.thumbs", "b/__MACOSX"):
        assert name in notes


@pytest.mark.parametrize("inside", ["", "train/"])
@pytest.mark.parametrize("stray", ["__MACOSX/a/x.png", ".git/x", "README.txt", "loose.png"])
def test_what_is_left_out_beside_classes_is_said(
    tmp_path: Path, write_classes: WriteClasses, write_picture: Callable[..., Path], inside: str, stray: str
) -> None:
    root = write_classes(tmp_path / "data", {f"{inside}a": 2, f"{inside}b": 2})
    write_picture(tmp_path / "x.png")
    (root / inside / stray).parent.mkdir(parents=True, exist_ok=True)
    os.rename(tmp_path / "x.png", root / inside / stray)
    data = open_small(root, divide=False)
    assert data.classes == ("a", "b")
    assert len(data.splits["train"]) == 4
    assert (inside + stray).split("/a/")[0].removesuffix("/x") in " ".join(data.notes)


def refused(root: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        open_small(root)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


def test_refusals_say_what_to_do(tmp_path: Path, write_classes: WriteClasses) -> None:
    empty_class = write_classes(tmp_path / "empty-class", {"a": 2, "b": 0})
    assert str(empty_class / "b") in refused(empty_class).message
    flat = write_classes(tmp_path / "flat", {"": 3})
    assert "3 pictures and no class folders" in refused(flat).message
    nothing = write_classes(tmp_path / "nothing", {"a": 0})
    assert "no pictures" in refused(nothing).message
    assert "no pictures" in refused(write_classes(tmp_path / "bare", {"": 0})).message
    assert "There is no folder" in refused(tmp_path / "nowhere").message
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert "is a file" in refused(file).message
    differing = write_classes(tmp_path / "differing", {"train/a": 1, "train/b": 1, "val/a": 1, "val/c": 1})
    assert "different classes: b, c" in refused(differing).message
    missing = write_classes(tmp_path / "missing", {"train/a": 1, "train/b": 1, "test/a": 1})
    assert "different classes: b" in refused(missing).message


def test_a_misspelt_name_is_helped() -> None:
    with pytest.raises(DataError, match="Did you mean «fashion-mnist»"):
        open_data("fashon-mnist")


def test_links_that_lead_back_end(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "a/inner": 1, "b": 2})
    (root / "a/inner/again").symlink_to(root / "a")
    (root / "a/self").symlink_to(root / "a/inner")
    (root / "b/nowhere.png").symlink_to(root / "b/missing.png")
    data = open_small(root, divide=False)
    assert sorted(data.splits["train"].labels.tolist()) == [0, 0, 0, 1, 1]
    assert "b/nowhere.png" in " ".join(data.notes)


def test_a_link_to_itself_ends(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    (root / "a/loop.png").symlink_to("loop.png")
    (root / "b/loop").symlink_to("loop")
    assert len(open_small(root, divide=False).splits["train"]) == 4


def test_a_link_to_the_whole_data_set_brings_no_other_class_in(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 3})
    (root / "a/up").symlink_to(root)
    assert np.bincount(open_small(root, divide=False).splits["train"].labels).tolist() == [2, 3]


def test_links_to_pictures_and_folders_elsewhere_are_followed(tmp_path: Path, write_classes: WriteClasses) -> None:
    elsewhere = write_classes(tmp_path / "elsewhere", {"x": 3})
    root = write_classes(tmp_path / "data", {"a": 1})
    (root / "b").symlink_to(elsewhere / "x")
    (root / "a/one.png").symlink_to(elsewhere / "x/000.png")
    assert np.bincount(open_small(root, divide=False).splits["train"].labels).tolist() == [2, 3]


def test_a_pipe_is_never_opened(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    pipe = root / "a/pipe.png"
    os.mkfifo(pipe)

    def release() -> None:
        with contextlib.suppress(OSError):  # nobody reads
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    timer = threading.Timer(5, release)  # whoever opened the pipe does not wait for ever
    timer.start()
    data = open_small(root, divide=False)
    timer.cancel()
    assert len(data.splits["train"]) == 4
    assert data.damaged == ()
    assert "a/pipe.png" in " ".join(data.notes)


ODD = (
    b"\xff\xfe latin \xe9.png",
    b"two\nlines.png",
    "🙂.png".encode(),
    b'it\'s "quoted".png',
    b"-dash.png",
    b"=1+1.png",
    b" .png",
)


def test_odd_names_are_pictures_too(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 1, "b": 1})
    for name in ODD:
        os.link(os.fsencode(root / "a/000.png"), os.fsencode(root / "a") + b"/" + name)
    os.rename(root / "b", os.fsencode(root) + b"/-b \xff\n")
    for _ in range(2):  # decoded, and from the cache
        data = open_small(root, divide=False)
        assert sorted(os.fsencode(name) for name in data.splits["train"].names)[1:] == sorted(
            [b"a/000.png", *(b"a/" + name for name in ODD)]
        )
        assert_true_pixels(root, data.splits["train"], data.classes)


def test_damaged_files_are_left_out_and_named(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"a": 3, "b": 3})
    (root / "a/001.png").write_bytes(b"")
    whole = (root / "b/002.png").read_bytes()
    (root / os.fsdecode(b"b/odd\xff.png")).write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # decoded, and from the cache
        data = open_small(root, divide=False)
        assert [(item.path, item.reason) for item in data.damaged] == [
            ("a/001.png", "is empty"),
            (os.fsdecode(b"b/odd\xff.png"), "is cut short"),
        ]
        assert list(data.splits["train"].names) == ["a/000.png", "a/002.png", "b/000.png", "b/001.png", "b/002.png"]
        assert data.splits["train"].labels.tolist() == [0, 0, 1, 1, 1]
        assert_true_pixels(root, data.splits["train"], data.classes)
    with pytest.raises(DataError, match=r"2 of 7 pictures are damaged, more than 1%: a/001.png is empty"):
        check_damage(data.damaged, 7)
    check_damage(data.damaged, 200)
    with pytest.raises(DataError):
        check_damage(data.damaged, 199)


def test_the_persons_folder_stays_as_it_is(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1})
    (root / "train/a/broken.jpg").write_bytes(b"x")

    def state() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in [root, *sorted(root.rglob("*"))]
        }

    before = state()
    open_small(root)
    assert state() == before
    assert sorted(os.listdir(tmp_path)) == ["cache", "data"]


def test_walk_lists_below_the_folder(tmp_path: Path, write_classes: WriteClasses) -> None:
    root = write_classes(tmp_path / "data", {"x": 1, "": 1})
    assert walk_pictures(root).pictures == ["000.png", "x/000.png"]
    assert walk_pictures(root / "x", root).pictures == ["x/000.png"]
