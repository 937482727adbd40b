"""CIFAR-10 and CIFAR-100 from their published archives, the Python or the binary version."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..pickles import UnsafePickle, read_plain_pickle
from .locate import RemoteFile, find_file, obtain
from .pictures import DataSet, picture_set

_HOME = "https://www.cs.toronto.edu/~kriz/"
_ARCHIVES = {
    "cifar10": RemoteFile(
        name="cifar-10-python.tar.gz",
        url=_HOME + "cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "cifar100": RemoteFile(
        name="cifar-100-python.tar.gz",
        url=_HOME + "cifar-100-python.tar.gz",
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
}
_BINARY = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}
_LABEL_KEY = {"cifar10": b"labels", "cifar100": b"fine_labels"}
_NAMES = {"cifar10": ("batches.meta", b"label_names"), "cifar100": ("meta", b"fine_label_names")}
_TEXTS = {"cifar10": "batches.meta.txt", "cifar100": "fine_label_names.txt"}
_TRAIN = {
    "cifar10": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "cifar100": ("train",),
}
_TEST = {"cifar10": ("test_batch",), "cifar100": ("test",)}
PIXELS = 3 * 32 * 32
MAX_MEMBER_BYTES = 400_000_000

Part = tuple[NDArray[Any], NDArray[Any]]


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of the regular files of an archive; nothing is unpacked to the disk."""
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                if member.size > MAX_MEMBER_BYTES:
                    raise DataError(f"{path}: {member.name} holds {member.size} bytes, too many for CIFAR.")
                file = archive.extractfile(member)
                assert file is not None
                yield member.name.rpartition("/")[2], file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Remove it; it is fetched again.") from error


def _read_dict(content: bytes, where: str) -> dict[bytes, Any]:
    """The dictionary in a pickle, its keys as bytes, as Python 2 wrote them."""
    try:
        found = read_plain_pickle(content)
    except UnsafePickle as error:
        raise DataError(f"{where} is refused: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} holds no dictionary.", "Remove the archive; it is fetched again.")
    return {key.encode() if isinstance(key, str) else key: value for key, value in found.items()}


def _python_part(content: bytes, where: str, label_key: bytes) -> Part:
    batch = _read_dict(content, where)
    pixels, labels = batch.get(b"data"), batch.get(label_key)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise DataError(f"{where} holds no «data» of bytes.", "Remove the archive; it is fetched again.")
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise DataError(f"{where} holds no whole numbers as «{label_key.decode()}».", "Remove the archive.")
    return pixels, np.array(labels, np.int64)


def _class_names(content: bytes, where: str, key: bytes) -> tuple[str, ...]:
    names = _read_dict(content, where).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{where} holds no names of classes.", "Remove the archive; it is fetched again.")
    try:
        return tuple(name.decode("ascii") if isinstance(name, bytes) else name for name in names)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} holds names that are no text.", "Remove the archive; it is fetched again.") from error


def _binary_part(content: bytes, where: str, num_labels: int) -> Part:
    """Records of `num_labels` label bytes (CIFAR-100: coarse, fine) and 3 × 32 × 32 pixels."""
    if not content or len(content) % (num_labels + PIXELS):
        raise DataError(f"{where} has {len(content)} bytes, no whole number of records of {num_labels + PIXELS}.")
    records = np.frombuffer(content, np.uint8).reshape(-1, num_labels + PIXELS)
    return records[:, num_labels:], records[:, num_labels - 1]


def _join(parts: dict[str, Part], wanted: tuple[str, ...], path: Path, num_classes: int) -> Part:
    missing = [part for part in wanted if part not in parts]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}.", "Remove it; it is fetched again.")
    for part in wanted:
        pixels, labels = parts[part]
        if pixels.ndim != 2 or pixels.shape[1] != PIXELS or len(pixels) != len(labels):
            raise DataError(f"{path}: {part} holds an array of {pixels.shape} and {len(labels)} labels.")
        if labels.min(initial=0) < 0 or labels.max(initial=0) >= num_classes:
            raise DataError(f"{path}: {part} holds labels that are no classes.")
    pixels = np.concatenate([parts[part][0] for part in wanted]).reshape(-1, 3, 32, 32)
    return pixels, np.concatenate([parts[part][1] for part in wanted])


def read_archive(name: str, path: Path) -> DataSet:
    """CIFAR-10 or -100 from a published archive, Python or binary version.

    Raises:
        DataError: the archive is damaged, incomplete, or holds anything but plain data.
    """
    wanted = {*_TRAIN[name], *_TEST[name]}
    meta, names_key = _NAMES[name]
    parts: dict[str, Part] = {}
    classes: tuple[str, ...] = ()
    for member, content in _members(path):
        where = f"{path}: {member}"
        if member in wanted:
            parts[member] = _python_part(content, where, _LABEL_KEY[name])
        elif member.removesuffix(".bin") in wanted:
            parts[member.removesuffix(".bin")] = _binary_part(content, where, 1 if name == "cifar10" else 2)
        elif member == meta:
            classes = _class_names(content, where, names_key)
        elif member == _TEXTS[name]:
            classes = tuple(content.decode("ascii", "replace").split())
    expected = 10 if name == "cifar10" else 100
    if len(classes) != expected:
        raise DataError(f"{path} names {len(classes)} classes; expected {expected}.", "Remove it; it is fetched again.")
    splits = {
        "train": picture_set(*_join(parts, _TRAIN[name], path, expected), "train"),
        "test": picture_set(*_join(parts, _TEST[name], path, expected), "test"),
    }
    return DataSet(name=name, classes=classes, splits=splits)


def open_cifar(name: str, root: str | None) -> DataSet:
    """CIFAR-10 or -100 from the published archive, found or downloaded."""
    path = find_file(name, (_BINARY[name],), root) if find_file(name, (_ARCHIVES[name].name,), root) is None else None
    return read_archive(name, path or obtain(name, _ARCHIVES[name], root))
