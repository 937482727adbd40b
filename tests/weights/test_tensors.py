"""Weights files: out and in again are the same bits, and a file that is not what was written is refused."""

from __future__ import annotations

import dataclasses
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from alexnet.errors import AlexNetError, StorageError, WeightsError
from alexnet.spec import PictureSpec
from alexnet.weights import (
    Card,
    digest,
    find_weights,
    read_tensors,
    read_weights,
    verify_tensors,
    write_tensors,
    write_weights,
)
from alexnet.weights.tensors import serialise

LUCK = np.random.default_rng(0)
TENSORS: dict[str, NDArray[Any]] = {
    "float32": LUCK.normal(size=(3, 4, 5)).astype(np.float32),
    "float64": LUCK.normal(size=(7,)),
    "float16": LUCK.normal(size=(2, 2)).astype(np.float16),
    "int64": np.array([[-(2**63), 2**63 - 1]]),
    "int32": np.arange(6, dtype=np.int32).reshape(1, 6),
    "uint8": np.arange(256, dtype=np.uint8),
    "bool": np.array([True, False]),
    "0-d float": np.array(1.5, np.float32),
    "0-d int": np.array(12, np.int64),
    "empty": np.zeros((0, 3), np.float32),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "every other": np.arange(20, dtype=np.float32)[::2],
    "signs": np.array([-0.0, 0.0, 1e-45, -1e38], np.float32),
    "über «x»": np.ones(1, np.float32),
}
CARD = Card(
    variant="lenet",
    picture=PictureSpec(channels=1, size=28, resize=28, fit="stretch", scale=1 / 255, mean=(0.1,), std=(1 / 3,)),
    classes=("null", "eins", "=1+1", "naïve 🙂", ""),
    origin={"run": "runs/x-1", "data": "sample"},
    licence="MIT",
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    write_tensors(path, {"a": np.arange(4, dtype=np.float32), "b": np.arange(4, 8, dtype=np.float32)}, {"x": 1})
    return path


def test_out_and_in_again_are_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_tensors(path, TENSORS, {"nested": {"list": [1, 2.5, None, "text"]}})
    found, card = read_tensors(path)
    assert card == {"nested": {"list": [1, 2.5, None, "text"]}}
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert found[name].tobytes() == np.ascontiguousarray(array).tobytes(), name
    assert len(found) == 14


def test_big_endian_arrays_keep_their_values(tmp_path: Path) -> None:
    write_tensors(tmp_path / "weights", {"a": np.array([1.5, -2.0], ">f4")}, {})
    found, _ = read_tensors(tmp_path / "weights")
    assert found["a"].tolist() == [1.5, -2.0]


def test_the_file_is_a_safetensors_file(small: Path) -> None:
    found = safetensors.numpy.load(small.read_bytes())
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7]}


def test_writing_twice_gives_the_same_file() -> None:
    assert serialise(TENSORS, {"x": 1}) == serialise(TENSORS, {"x": 1})


def test_digest_sees_type_shape_and_every_bit() -> None:
    array = np.arange(6, dtype=np.int32)
    others = [array.reshape(2, 3), array.reshape(3, 2), array.astype(np.uint32), array[::-1], array.astype(np.int64)]
    assert len({digest(array), *map(digest, others)}) == 6
    assert digest(array[::2]) == digest(np.array([0, 2, 4], np.int32))


def test_every_flipped_bit_is_refused(small: Path) -> None:
    whole = small.read_bytes()
    assert read_tensors(small)[1] == {"x": 1}
    for at in range(len(whole)):
        content = bytearray(whole)
        content[at] ^= 1 << (at % 8)
        small.write_bytes(content)
        with pytest.raises(WeightsError, match=r"small\.safetensors") as caught:
            read_tensors(small)
        assert caught.value.exit_code == 4


def test_every_bit_of_a_letter_is_seen_in_the_header(small: Path) -> None:
    whole = small.read_bytes()
    for at in range(0, len(whole), 7):
        for bit in range(8):
            content = bytearray(whole)
            content[at] ^= 1 << bit
            small.write_bytes(content)
            with pytest.raises(WeightsError):
                read_tensors(small)


def test_every_cut_and_every_addition_is_refused(small: Path) -> None:
    whole = small.read_bytes()
    for length in [*range(20), *range(20, len(whole), 13), len(whole) - 1]:
        small.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            read_tensors(small)
    for tail in (b"\0", b"x" * 100, whole):
        small.write_bytes(whole + tail)
        with pytest.raises(WeightsError):
            read_tensors(small)


def test_swapped_tensors_are_refused_by_name(small: Path) -> None:
    whole = small.read_bytes()
    swapped = whole[:-32] + whole[-16:] + whole[-32:-16]
    small.write_bytes(swapped)
    with pytest.raises(WeightsError, match=r"«[ab]» does not match its digest") as caught:
        read_tensors(small)
    assert caught.value.hint


def foreign(metadata: dict[str, str] | None) -> bytes:
    return safetensors.numpy.save({"a": np.ones(2, np.float32)}, metadata=metadata)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4 a zip, as torch.save writes",
        b"\0" * 100,
        b"\xff" * 100,
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 20) + b'{"__metadata__": [] }',
        foreign(None),
        foreign({"format": "pt"}),
        foreign({"alexnet": "no json"}),
        foreign({"alexnet": "[]"}),
        foreign({"alexnet": "{}"}),
        foreign({"alexnet": json.dumps({"format": 1, "header": "", "digests": {}, "card": {}})}),
        foreign({"alexnet": json.dumps({"format": 1, "header": "0" * 64, "digests": {}, "card": {}})}),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"foreign\.safetensors"):
        read_tensors(path)


def test_another_format_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(foreign({"alexnet": json.dumps({"format": 2, "header": "x", "digests": {}, "card": {}})}))
    with pytest.raises(WeightsError, match="format 2; this version reads format 1"):
        read_tensors(path)


def test_a_card_comes_back(tmp_path: Path) -> None:
    write_weights(tmp_path / "weights", {"a": np.ones(2, np.float32)}, CARD)
    assert read_weights(tmp_path / "weights").card == CARD
    network = CARD.network()
    assert (network.name, len(CARD.classes)) == ("lenet", 5)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"variant": "lenett"}, "lenett"),
        ({"classes": 3}, "classes"),
        ({"classes": []}, ""),
        ({"extra": 1}, "extra"),
        ({"picture": {"channels": 1}}, "missing"),
        ({"picture": None}, "picture"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(tmp_path: Path, change: dict[str, Any], phrase: str) -> None:
    path = tmp_path / "weights"
    write_tensors(path, {"a": np.ones(2)}, {**dataclasses.asdict(CARD), **change})
    with pytest.raises(WeightsError, match=f"The card of .*{phrase}"):
        read_weights(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_not_written(tmp_path: Path, value: float) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"old")
    with pytest.raises(WeightsError, match=r"«conv1\.weight» holds values that are not finite"):
        write_weights(path, {"count": np.array(3), "conv1.weight": np.array([1, value], np.float32)}, CARD)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("weights", b"old")]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError):
        write_tensors(tmp_path / "file/below", TENSORS, {})


def test_find_weights(tmp_path: Path, small: Path) -> None:
    assert find_weights(small) == small
    run = tmp_path / "run"
    run.mkdir()
    for made, phrase in ((None, "it is no run folder"), ("config.json", "has not finished an epoch")):
        if made:
            (run / made).write_text("{}", encoding="utf-8")
        with pytest.raises(WeightsError, match=phrase) as caught:
            find_weights(run)
        assert caught.value.hint
    (run / "model.safetensors").write_bytes(small.read_bytes())
    assert find_weights(run) == run / "model.safetensors"
    with pytest.raises(WeightsError, match="There is no run folder or weights file"):
        find_weights(tmp_path / "nowhere")
    with pytest.raises(AlexNetError, match="The card of"):
        read_weights(run)


def test_weights_need_no_torch(small: Path) -> None:
    program = f"""
import sys, pathlib
import alexnet.weights
alexnet.weights.read_tensors(pathlib.Path({str(small)!r}))
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


@pytest.mark.parametrize("reader", [read_tensors, verify_tensors])
def test_both_readers_refuse_what_is_damaged(tmp_path: Path, reader: Any) -> None:
    path = tmp_path / "weights"
    write_tensors(path, {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3)}, {"x": 1})
    tensors, card = reader(path)
    assert card == {"x": 1}
    np.testing.assert_array_equal(tensors["a"], np.arange(6).reshape(2, 3))
    content = path.read_bytes()
    for place in (9, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(WeightsError):
            reader(path)
    for length in (0, 5, 8, 100, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError):
            reader(path)
    path.write_bytes(b"\xff" * 8 + content[8:])
    with pytest.raises(WeightsError):
        reader(path)
