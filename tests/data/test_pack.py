"""The packed cache: the pixels of decoding anew, read without decoding, and never stale."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import open_data, to_pixels
from alexnet.data.decode import open_fitted
from alexnet.data.pack import CHUNK, pack_files
from alexnet.errors import StorageError

WritePicture = Callable[..., Path]
Stamp = tuple[str, int, int]


@pytest.fixture
def mixed(tmp_path: Path, write_picture: WritePicture) -> list[str]:
    """Pictures of several sizes and kinds below `tmp_path / "pictures"`."""
    sizes = [(8, 8), (40, 30), (30, 40), (16, 16), (7, 50), (20, 20), (90, 90)]
    names = []
    for number, (width, height) in enumerate(sizes):
        names.append(f"{number}.{'png' if number % 2 else 'jpg'}")
        write_picture(tmp_path / "pictures" / names[-1], number, width, height, channels=1 if number == 3 else 3)
    return names


def stamps(cache: Path) -> list[Stamp]:
    """Name, inode and time of every file of the cache."""
    stats = [(path.name, path.stat()) for path in sorted((cache / "packs").iterdir())]
    return [(name, stat.st_ino, stat.st_mtime_ns) for name, stat in stats]


def decoded(root: Path, names: list[str], size: int, mode: str) -> np.ndarray:
    """Each picture on its own, enlarged where it is smaller than the block."""
    squares = [open_fitted(root / name, name, size, mode) for name in names]
    return np.stack([to_pixels(square.resize((size, size), Image.Resampling.BILINEAR)) for square in squares])


@pytest.mark.parametrize("mode", ["short-side", "stretch"])
def test_block_equals_decoding_each(tmp_path: Path, mixed: list[str], mode: str) -> None:
    root = tmp_path / "pictures"
    for names in (mixed, mixed[::-1]):  # the first picture is small, or is not
        packed = pack_files(root, names, 20, mode)
        assert packed.kept == list(range(len(names)))
        np.testing.assert_array_equal(packed.pixels, decoded(root, names, 20, mode))


def test_small_squares_of_one_size_stay_small(tmp_path: Path, write_picture: WritePicture, cache: Path) -> None:
    names = [f"{number}.png" for number in range(5)]
    for number, name in enumerate(names):
        write_picture(tmp_path / name, number, 8, 8)
    packed = pack_files(tmp_path, names, 64, "short-side")
    assert packed.pixels.shape == (5, 3, 8, 8)
    np.testing.assert_array_equal(packed.pixels, decoded(tmp_path, names, 8, "short-side"))
    assert sum(path.stat().st_size for path in (cache / "packs").glob("*.bin")) == 5 * 3 * 8 * 8


def test_another_size_after_many_small_ones(tmp_path: Path, write_picture: WritePicture) -> None:
    names = [f"{number:04d}.png" for number in range(CHUNK + 3)]
    for number, name in enumerate(names):
        write_picture(tmp_path / name, number, 4, 4)
    write_picture(tmp_path / names[-1], 1, 6, 5)
    done = []
    packed = pack_files(tmp_path, names, 8, "short-side", progress=lambda *numbers: done.append(numbers))
    np.testing.assert_array_equal(packed.pixels, decoded(tmp_path, names, 8, "short-side"))
    assert done[-1] == (len(names), len(names))
    assert len(names) == 259


def test_second_time_is_read_from_the_cache(tmp_path: Path, mixed: list[str], cache: Path) -> None:
    root, done = tmp_path / "pictures", []
    first = np.array(pack_files(root, mixed, 20, "stretch", progress=lambda *numbers: done.append(numbers)).pixels)
    assert done == [(7, 7)]
    before = stamps(cache)
    second = pack_files(root, mixed, 20, "stretch", progress=lambda *numbers: done.append(numbers))
    np.testing.assert_array_equal(second.pixels, first)
    assert stamps(cache) == before
    assert done == [(7, 7)]
    assert isinstance(second.pixels, np.memmap)
    assert len(before) == 2  # a block and its facts, nothing temporary


@pytest.mark.parametrize("change", ["size", "mode", "order", "fewer"])
def test_another_question_is_another_pack(tmp_path: Path, mixed: list[str], change: str) -> None:
    root = tmp_path / "pictures"
    pack_files(root, mixed, 20, "stretch")
    names = {"order": mixed[::-1], "fewer": mixed[1:]}.get(change, mixed)
    size, mode = 24 if change == "size" else 20, "short-side" if change == "mode" else "stretch"
    np.testing.assert_array_equal(pack_files(root, names, size, mode).pixels, decoded(root, names, size, mode))


def test_a_changed_file_is_decoded_anew(tmp_path: Path, mixed: list[str], write_picture: WritePicture) -> None:
    root = tmp_path / "pictures"
    pack_files(root, mixed, 20, "stretch")
    write_picture(root / mixed[2], 99, 30, 40)
    packed = pack_files(root, mixed, 20, "stretch")
    np.testing.assert_array_equal(packed.pixels, decoded(root, mixed, 20, "stretch"))


def test_same_bytes_length_but_another_time_is_decoded_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.bmp"  # of one length whatever the colours
    for level in (10, 200):
        Image.new("RGB", (8, 8), (level, level, level)).save(path)
        os.utime(path, ns=(level, level))
        assert (pack_files(tmp_path, ["x.bmp"], 8, "stretch").pixels == level).all()


@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_cut_block_is_made_anew(tmp_path: Path, mixed: list[str], cache: Path, length: int) -> None:
    root = tmp_path / "pictures"
    expected = np.array(pack_files(root, mixed, 20, "stretch").pixels)
    (block,) = (cache / "packs").glob("*.bin")
    whole = block.read_bytes()
    block.write_bytes(whole[:length])
    np.testing.assert_array_equal(pack_files(root, mixed, 20, "stretch").pixels, expected)
    assert block.read_bytes() == whole


@pytest.mark.parametrize("content", [None, b"", b'{"side": 20', b"{}", b"[]"])
def test_missing_or_damaged_facts_are_made_anew(
    tmp_path: Path, mixed: list[str], cache: Path, content: bytes | None
) -> None:
    root = tmp_path / "pictures"
    expected = np.array(pack_files(root, mixed, 20, "stretch").pixels)
    (facts,) = (cache / "packs").glob("*.json")
    if content is None:
        facts.unlink()
    else:
        facts.write_bytes(content)
    np.testing.assert_array_equal(pack_files(root, mixed, 20, "stretch").pixels, expected)


def test_damaged_files_have_no_place(tmp_path: Path, mixed: list[str]) -> None:
    root = tmp_path / "pictures"
    (root / mixed[0]).write_bytes(b"no picture")
    (root / mixed[4]).write_bytes(b"")
    for _ in range(2):
        packed = pack_files(root, mixed, 20, "stretch")
        assert packed.kept == [1, 2, 3, 5, 6]
        assert [item.path for item in packed.damaged] == [mixed[0], mixed[4]]
        kept = [mixed[number] for number in packed.kept]
        np.testing.assert_array_equal(packed.pixels, decoded(root, kept, 20, "stretch"))


def test_nothing_but_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    for _ in range(2):
        packed = pack_files(tmp_path, ["x.png"], 8, "stretch")
        assert len(packed.pixels) == 0
        assert len(packed.damaged) == 1


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_written(
    tmp_path: Path, write_classes: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setenv("ALEXNET_CACHE", str(tmp_path / place))
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    with pytest.raises(StorageError, match=str(tmp_path / place)) as caught:
        open_data(str(root), size=8)
    assert caught.value.exit_code == 6
    assert "ALEXNET_CACHE" in caught.value.hint
    assert (tmp_path / "file").read_bytes() == b"x"
