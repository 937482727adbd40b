"""MNIST's files: read as published, refused by name when damaged, found in order, downloaded with their digest."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet.data import idx, open_data
from alexnet.data.idx import FASHION_CLASSES, SAMPLE_FOLDER, read_idx
from alexnet.errors import DataError
from alexnet.runs import cache_folder

from .conftest import IDX_NAMES, idx_bytes

SOUND = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


def set_address(monkeypatch: pytest.MonkeyPatch, base: str, contents: dict[str, bytes] | None = None) -> None:
    """Lets MNIST be published at another address, with the digests of `contents`."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in (contents or {}).items()}
    rows = tuple((base, f"{name}.gz", digests.get(f"{name}.gz", "0" * 64)) for name in IDX_NAMES)
    monkeypatch.setitem(idx._FILES, "mnist", rows)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (4, 6, 6)])
def test_arrays_come_back(tmp_path: Path, write_idx: Callable[..., Path], shape: tuple[int, ...], packed: bool) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(read_idx(write_idx(tmp_path / "no-ending", array, packed)), array)


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "nothing"),
        (b"\0\0", "00 00"),
        (b"\1\0\x08\3" + SOUND[4:], "01 00 08 03"),
        (b"\0\0\x0d\3" + SOUND[4:], "00 00 0d 03"),
        (b"\0\0\x08\0", "00 00 08 00"),
        (b"\0\0\x08\xff" + SOUND[4:], "00 00 08 ff"),
        (SOUND[:9], "promises"),
        (SOUND[:-1], "promises 2 × 3 × 4 bytes and holds 23"),
        (SOUND + b"\0", "promises 2 × 3 × 4 bytes and holds 25"),
        (b"\0\0\x08\3" + b"\xff" * 12 + SOUND[16:], "4294967295"),
        (b"\0\0\x08\1" + b"\xff" * 4, "4294967295"),
        (gzip.compress(SOUND)[:-12], "cannot be read"),
        (gzip.compress(SOUND)[:15] + b"????" + gzip.compress(SOUND)[19:], "cannot be read"),
        (gzip.compress(SOUND[:-1]), "holds 23"),
        (b"\x1f\x8b", "cannot be read"),
        (b"<html>not found</html>", "no IDX file"),
    ],
)
def test_malformed_files_are_refused_by_name(tmp_path: Path, content: bytes, phrase: str) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=phrase) as caught:
        read_idx(path)
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_as_published(tmp_path: Path, write_mnist: Callable[..., dict], packed: bool) -> None:
    arrays = write_mnist(tmp_path / "mnist", packed=packed)
    data = open_data("mnist", root=str(tmp_path))
    assert data.classes == tuple("0123456789")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20, "test": 10}
    np.testing.assert_array_equal(data.splits["train"].pixels[:, 0], arrays[IDX_NAMES[0]])
    np.testing.assert_array_equal(data.splits["test"].labels, arrays[IDX_NAMES[3]])
    assert data.splits["test"].names[7] == "test/00007"
    assert data.channels == 1


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (IDX_NAMES[1], np.full(20, 10, np.uint8)),
        (IDX_NAMES[1], np.zeros(19, np.uint8)),
        (IDX_NAMES[1], np.zeros((20, 1), np.uint8)),
        (IDX_NAMES[2], np.zeros((10, 36), np.uint8)),
        (IDX_NAMES[2], np.zeros((0, 6, 6), np.uint8)),
        (IDX_NAMES[2], np.zeros((10, 0, 0), np.uint8)),
        (IDX_NAMES[2], np.zeros((10, 6, 5), np.uint8)),
    ],
    ids=["label 10", "19 labels", "labels 2-d", "pictures 2-d", "no pictures", "no pixels", "not square"],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, write_mnist: Callable[..., dict], write_idx: Callable[..., Path], name: str, array: np.ndarray
) -> None:
    write_mnist(tmp_path)
    write_idx(tmp_path / name, array)
    with pytest.raises(DataError, match=name):
        open_data("mnist", root=str(tmp_path))


def test_places_are_searched_in_order(
    tmp_path: Path, write_mnist: Callable[..., dict], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_DATA", str(tmp_path / "own"))
    root = tmp_path / "root"
    folders = [root / "mnist", root, tmp_path / "own/mnist", tmp_path / "system/mnist", cache / "data/mnist"]
    arrays = [write_mnist(folder, seed) for seed, folder in enumerate(folders)]
    for folder, expected in zip(folders, arrays, strict=True):
        found = open_data("mnist", root=str(root)).splits["train"].pixels[:, 0]
        np.testing.assert_array_equal(found, expected[IDX_NAMES[0]])
        for name in IDX_NAMES:
            (folder / name).unlink()


def test_not_found_says_where_and_what_to_do(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, write_mnist: Callable[..., dict]
) -> None:
    set_address(monkeypatch, "http://127.0.0.1:9/")
    monkeypatch.setenv("ALEXNET_DATA", str(tmp_path / "own"))
    with pytest.raises(DataError) as caught:
        open_data("mnist", root=str(tmp_path / "root"))
    places = [tmp_path / "root/mnist", tmp_path / "own/mnist", tmp_path / "system/mnist", cache / "data/mnist"]
    for place in places:
        assert str(place) in caught.value.message
    assert "http://127.0.0.1:9/" in caught.value.message
    assert "train-images-idx3-ubyte.gz" in caught.value.message
    assert str(cache / "data/mnist") in caught.value.hint
    assert "ALEXNET_DATA" in caught.value.hint
    assert caught.value.exit_code == 3

    write_mnist(cache / "data/mnist")  # the hint is followed
    assert len(open_data("mnist").splits["train"]) == 20


def test_download_lands_in_the_cache(
    tmp_path: Path, cache: Path, serve: str, monkeypatch: pytest.MonkeyPatch, write_mnist: Callable[..., dict]
) -> None:
    arrays = write_mnist(tmp_path / "served", packed=True)
    contents = {path.name: path.read_bytes() for path in (tmp_path / "served").iterdir()}
    set_address(monkeypatch, serve, contents)
    data = open_data("mnist")
    np.testing.assert_array_equal(data.splits["train"].pixels[:, 0], arrays[IDX_NAMES[0]])
    assert {path.name: path.read_bytes() for path in (cache / "data/mnist").iterdir()} == contents

    for name in contents:
        (tmp_path / "served" / name).unlink()
    assert len(open_data("mnist").splits["test"]) == 10  # from the cache


def test_download_with_a_wrong_digest_is_refused(
    tmp_path: Path, cache: Path, serve: str, monkeypatch: pytest.MonkeyPatch, write_mnist: Callable[..., dict]
) -> None:
    write_mnist(tmp_path / "served", packed=True)
    set_address(monkeypatch, serve)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz could not be downloaded"):
        open_data("mnist")
    assert list((cache / "data/mnist").iterdir()) == []


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort",
        b"I am no web server\r\n\r\n",
        b"",
    ],
    ids=["404", "cut short", "cut in a chunk", "no HTTP", "closed"],
)
def test_a_broken_server_is_a_data_error(cache: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(10_000)
                client.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        set_address(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(DataError, match="could not be downloaded"):
            open_data("mnist")
        thread.join()
    assert list((cache / "data/mnist").iterdir()) == []


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ALEXNET_CACHE")
    assert cache_folder() == tmp_path / "xdg/alexnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/alexnet"


def test_sample() -> None:
    data = open_data("sample")
    assert data.classes == FASHION_CLASSES
    assert data.channels == 1
    for split, per_class in (("train", 600), ("test", 100)):
        pictures = data.splits[split]
        assert pictures.pixels.shape == (10 * per_class, 1, 28, 28)
        np.testing.assert_array_equal(pictures.labels, np.tile(np.arange(10), per_class))
        means = [pictures.pixels[pictures.labels == label].mean() for label in range(10)]
        assert np.argmin(means) == 5  # sandals cover the least of all clothes in Fashion-MNIST
    assert "Zalando" in (SAMPLE_FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert any("MIT" in note for note in data.notes)
