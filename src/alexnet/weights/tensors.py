"""Tensors to a safetensors file and back, with a digest of each tensor and of the header.

safetensors itself accepts flipped bits; here a file that is not, bit for bit, what was written is refused by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ..errors import WeightsError
from ..runs import write_bytes

FORMAT = 1
_BLANK = "0" * 64
_KEY = "alexnet"
_TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}
"""The kinds that weights have, by safetensors' names."""

Arrays = Mapping[str, NDArray[Any]]


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The same values in C order and little-endian, as the file format has them."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values."""
    whole = _plain(array)
    found = hashlib.sha256(f"{whole.dtype.str}{whole.shape}".encode())
    found.update(whole.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _header(content: bytes | bytearray) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return bytes(content[: 8 + length])


def serialise(tensors: Arrays, card: Mapping[str, Any]) -> bytes:
    """A safetensors file's content: the tensors, and in its header the card and the digests."""
    whole = {name: _plain(array) for name, array in tensors.items()}
    facts = {
        "format": FORMAT,
        "header": _BLANK,
        "digests": {name: digest(array) for name, array in whole.items()},
        "card": dict(card),
    }
    content = bytearray(safetensors.numpy.save(whole, metadata={_KEY: json.dumps(facts, allow_nan=False)}))
    header = _header(content)
    at = header.index(_BLANK.encode())
    content[at : at + 64] = hashlib.sha256(header).hexdigest().encode()
    return bytes(content)


def write_tensors(path: Path, tensors: Arrays, card: Mapping[str, Any]) -> None:
    """Writes a file of tensors with its card, whole or not at all.

    Raises:
        StorageError: the disk is full, read-only or failing.
    """
    write_bytes(path, serialise(tensors, card))


def _facts(content: bytes, path: Path) -> dict[str, Any]:
    if len(content) < 8 or len(content) < 8 + struct.unpack("<Q", content[:8])[0]:
        raise WeightsError(f"{path} is cut short.", "Take another copy of it.")
    header = _header(content)
    try:
        metadata = json.loads(header[8:]).get("__metadata__", {})
        facts = json.loads(metadata[_KEY])
        stored = str(facts["header"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(
            f"{path} has no card of this program.", "Name a run folder, or its model.safetensors."
        ) from error
    if facts.get("format") != FORMAT:
        raise WeightsError(f"{path} has format {facts.get('format')}; this version reads format {FORMAT}.")
    blank = header.replace(stored.encode(), _BLANK.encode(), 1)
    if hashlib.sha256(blank).hexdigest() != stored:
        raise WeightsError(f"{path} is damaged: its header does not match its digest.", "Take another copy of it.")
    assert isinstance(facts, dict)
    return facts


def header_digest(path: Path) -> str:
    """By which a graph knows the file that it points into: a header holds the digest of every tensor."""
    with open(path, "rb") as file:
        start = file.read(8)
        return hashlib.sha256(start + file.read(struct.unpack("<Q", start)[0])).hexdigest()


def _mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file as views of its memory map; safetensors has checked that they fill it without overlap."""
    whole = np.memmap(path, np.uint8, "r")
    (length,) = struct.unpack("<Q", whole[:8].tobytes())
    header = json.loads(whole[8 : 8 + length].tobytes())
    return {
        name: whole[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]]
        .view(_TYPES[entry["dtype"]])
        .reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def verify_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """As `read_tensors`, but nothing is copied: the tensors are views of the file, and threads share the digests.

    Raises:
        WeightsError: as `read_tensors`.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            content = start + (file.read(length) if 8 + length <= os.fstat(file.fileno()).st_size else b"")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    facts = _facts(content, path)
    try:
        with safetensors.safe_open(path, framework="numpy"):
            tensors = _mapped(path)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is damaged: {error}.", "Take another copy of it.") from error
    _check_names(path, tensors, facts)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        _check_digests(path, dict(zip(tensors, pool.map(digest, tensors.values()), strict=True)), facts)
    return tensors, facts["card"]


def _check_names(path: Path, tensors: Arrays, facts: Mapping[str, Any]) -> None:
    if tensors.keys() != facts["digests"].keys():
        raise WeightsError(f"{path} is damaged: its tensors are not those of its card.", "Take another copy of it.")


def _check_digests(path: Path, digests: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    for name, found in digests.items():
        if found != facts["digests"][name]:
            raise WeightsError(f"{path} is damaged: «{name}» does not match its digest.", "Take another copy of it.")


def read_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the card of a file, each tensor verified by its digest.

    Raises:
        WeightsError: the file is missing, cut short, damaged (names the tensor), or not ours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    facts = _facts(content, path)
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is damaged: {error}.", "Take another copy of it.") from error
    _check_names(path, tensors, facts)
    _check_digests(path, {name: digest(array) for name, array in tensors.items()}, facts)
    return tensors, facts["card"]
