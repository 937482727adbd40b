"""Small data sets in the published formats, and nothing of the machine's own."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

IDX_NAMES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, not made yet; the system folder is empty and ALEXNET_DATA is not set."""
    monkeypatch.setenv("ALEXNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ALEXNET_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("alexnet.data.locate.SYSTEM_FOLDER", tmp_path / "system")
    return tmp_path / "cache"


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sides + array.tobytes()


@pytest.fixture
def write_idx() -> Callable[..., Path]:
    """write_idx(path, array, packed=False)."""

    def write(path: Path, array: NDArray[np.uint8], packed: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = idx_bytes(array)
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    return write


@pytest.fixture
def write_mnist(write_idx: Callable[..., Path]) -> Callable[..., dict[str, NDArray[np.uint8]]]:
    """write_mnist(folder, seed=0, packed=False) writes 20 + 10 pictures of 6 × 6; returns the four arrays by name."""

    def write(folder: Path, seed: int = 0, packed: bool = False) -> dict[str, NDArray[np.uint8]]:
        luck = np.random.default_rng(seed)
        arrays = {}
        for name in IDX_NAMES:
            count = 20 if name.startswith("train") else 10
            if "images" in name:
                arrays[name] = luck.integers(0, 256, (count, 6, 6)).astype(np.uint8)
            else:
                arrays[name] = (np.arange(count) % 10).astype(np.uint8)
            write_idx(folder / (name + ".gz" * packed), arrays[name], packed)
        return arrays

    return write


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the files in `tmp_path / "served"`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    (tmp_path / "served").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def noise(seed: int, width: int, height: int, channels: int = 3) -> NDArray[np.uint8]:
    shape = (height, width, channels)[: 2 if channels == 1 else 3]
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def write_picture() -> Callable[..., Path]:
    """write_picture(path, seed=0, width=8, height=8, channels=3); the ending decides the format."""

    def write(path: Path, seed: int = 0, width: int = 8, height: int = 8, channels: int = 3) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed, width, height, channels)).save(path)
        return path

    return write


@pytest.fixture
def write_classes(write_picture: Callable[..., Path]) -> Callable[..., Path]:
    """write_classes(root, {"train/cats": 3, …}, side=8, ending="png") writes that many pictures into each folder."""

    def write(root: Path, counts: dict[str, int], side: int = 8, ending: str = "png") -> Path:
        for where, (folder, count) in enumerate(counts.items()):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                write_picture(root / folder / f"{number:03d}.{ending}", 1000 * where + number, side, side)
        return root

    return write
