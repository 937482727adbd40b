"""The packed cache: files are decoded once, into one block of bytes that is read by memory map ever after."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ..errors import StorageError
from ..runs import cache_folder, make_folder, new_file, remove_stale, write_json
from .decode import PictureError, open_fitted, to_pixels
from .pictures import Bytes, Damaged

VERSION = 2
"""Grows when decoding or fitting changes, so that older packs are not used."""
CHUNK = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """`uint8[M, 3, P, P]`, the items' places in it (the damaged ones have none), and the damaged."""

    pixels: Bytes
    kept: list[int]
    damaged: tuple[Damaged, ...]


def _digest(root: Path, listing: Sequence[str], size: int, mode: str) -> str:
    text = json.dumps([VERSION, os.path.realpath(root), size, mode, *listing])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _listing(root: Path, paths: Sequence[str]) -> list[str]:
    stats = [os.stat(root / path) for path in paths]
    return [f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in zip(paths, stats, strict=True)]


def _decode(path: Path, name: str, size: int, mode: str) -> Image.Image | PictureError:
    try:
        return open_fitted(path, name, size, mode)
    except PictureError as error:
        return error


def _write_block(
    file: BinaryIO, root: Path, paths: Sequence[str], size: int, mode: str, side: int, progress: Progress | None
) -> dict[str, Any] | None:
    """Decodes in threads and writes squares of `side` pixels in order.

    Args:
        side: 0 takes the first picture's own size, if it is a small square.

    Returns:
        The block's facts; None if a picture does not have the first one's size, so that all need `size`.
    """
    kept: list[int] = []
    damaged: list[tuple[str, str]] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(paths), CHUNK):
            chunk = range(start, min(start + CHUNK, len(paths)))
            results = pool.map(lambda i: _decode(root / paths[i], paths[i], size, mode), chunk)
            for number, square in zip(chunk, results, strict=True):
                if isinstance(square, PictureError):
                    damaged.append((paths[number], square.reason))
                    continue
                side = side or square.width
                if square.width != side:
                    if side != size:
                        return None
                    square = square.resize((side, side), Image.Resampling.BILINEAR)
                kept.append(number)
                file.write(to_pixels(square).tobytes())
            if progress is not None:
                progress(chunk.stop, len(paths))
    return {"side": side or size, "kept": kept, "damaged": damaged}


def _pack(root: Path, paths: Sequence[str], size: int, mode: str, target: Path, progress: Progress | None) -> None:
    """Writes `target`.bin and then `target`.json, each whole or not at all."""
    with new_file(target.with_suffix(".bin"), len(paths) * 3 * size * size) as file:
        facts = _write_block(file, root, paths, size, mode, 0, progress)
        if facts is None:
            file.seek(0)
            file.truncate()
            facts = _write_block(file, root, paths, size, mode, size, progress)
    write_json(target.with_suffix(".json"), facts)


def _read_pack(target: Path) -> Packed | None:
    """The pack under that name; None if there is none, or its facts are damaged or do not fit its block."""
    index, block = target.with_suffix(".json"), target.with_suffix(".bin")
    if not (index.exists() and block.exists()):
        return None
    try:
        facts = json.loads(index.read_text(encoding="utf-8"))
        kept = [int(number) for number in facts["kept"]]
        shape = (len(kept), 3, int(facts["side"]), int(facts["side"]))
        damaged = tuple(Damaged(path=path, reason=reason) for path, reason in facts["damaged"])
    except (ValueError, KeyError, TypeError):
        return None  # damaged: packed anew
    if block.stat().st_size != math.prod(shape):
        return None
    pixels = np.memmap(block, np.uint8, "r", shape=shape) if shape[0] else np.zeros(shape, np.uint8)
    return Packed(pixels=pixels, kept=kept, damaged=damaged)


def pack_files(root: Path, paths: Sequence[str], size: int, mode: str, progress: Progress | None = None) -> Packed:
    """The pictures of files as one block, decoded now or taken from the cache of an earlier time.

    The cache is found by the names, sizes and times of the files, so that a changed folder is decoded anew.

    Args:
        root, paths: the files, as paths below `root`.
        size, mode: the square that they are fitted to (`decode.fit`).

    Raises:
        StorageError: the cache cannot be written.
    """
    folder = make_folder(cache_folder() / "packs")
    remove_stale(folder)
    target = folder / _digest(root, _listing(root, paths), size, mode)
    packed = _read_pack(target)
    if packed is not None:
        return packed
    needed, free = len(paths) * 3 * size * size, shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{len(paths)} packed pictures need up to {needed / 1e6:.0f} MB in {folder}; {free / 1e6:.0f} MB are free.",
            "Make room, or set ALEXNET_CACHE to another folder.",
        )
    _pack(root, paths, size, mode, target, progress)
    packed = _read_pack(target)
    assert packed is not None
    return packed
