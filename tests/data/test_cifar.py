"""CIFAR's archives, Python 2, Python 3 and binary: the same pictures, and nothing in them is ever run."""

from __future__ import annotations

import io
import os
import pickle
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.data import open_data
from alexnet.data.cifar import read_archive
from alexnet.data.pictures import DataSet
from alexnet.errors import DataError

NAMES = ("cifar10", "cifar100")
PER_BATCH = 3
FOLDER = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
CLASSES = {
    "cifar10": ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": tuple(f"class_{number}" for number in range(100)),
}
Members = dict[str, bytes]


def python_2_pickle(value: Any) -> bytes:
    """Protocol 2 as Python 2's cPickle wrote it: text and pixels as strings of bytes, arrays by `_reconstruct`."""

    def write(item: Any) -> bytes:
        if isinstance(item, bytes):
            short = len(item) < 256
            return (b"U" + bytes([len(item)]) if short else b"T" + len(item).to_bytes(4, "little")) + item
        if isinstance(item, int):
            return b"K" + bytes([item]) if item < 256 else b"J" + item.to_bytes(4, "little")
        if isinstance(item, list):
            return b"](" + b"".join(map(write, item)) + b"e"
        if isinstance(item, dict):
            return b"}(" + b"".join(write(key) + write(entry) for key, entry in item.items()) + b"u"
        assert item.dtype == np.uint8
        made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        shape = b"".join(map(write, item.shape)) + b"\x86"
        return made + b"(K\x01" + shape + dtype + b"\x89" + write(item.tobytes()) + b"tb"

    return b"\x80\x02" + write(value) + b"."


def batches(name: str) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Pixels of N × 3072 bytes and labels, by the published names."""
    luck = np.random.default_rng(7)
    numbered = [f"data_batch_{number}" for number in range(1, 6)]
    parts = [*numbered, "test_batch"] if name == "cifar10" else ["train", "test"]
    count = len(CLASSES[name])
    return {
        part: (
            luck.integers(0, 256, (PER_BATCH, 3072)).astype(np.uint8),
            luck.integers(0, count, PER_BATCH).tolist(),
        )
        for part in parts
    }


def python_members(name: str, dump: Callable[[Any], bytes], text: Callable[[str], Any]) -> Members:
    label_key, meta, names_key = (
        ("labels", "batches.meta", "label_names") if name == "cifar10" else ("fine_labels", "meta", "fine_label_names")
    )
    members = {
        part: dump(
            {
                text("batch_label"): text(f"batch {part}"),
                text(label_key): labels,
                text("coarse_labels"): [0] * PER_BATCH,
                text("data"): pixels,
                text("filenames"): [text(f"{i}.png") for i in range(PER_BATCH)],
            }
        )
        for part, (pixels, labels) in batches(name).items()
    }
    return {**members, meta: dump({text(names_key): [text(item) for item in CLASSES[name]]}), "readme.html": b"<html>"}


def python_2_members(name: str) -> Members:
    return python_members(name, python_2_pickle, str.encode)


def python_3_members(name: str) -> Members:
    return python_members(name, lambda value: pickle.dumps(value, 2), str)


def binary_members(name: str) -> Members:
    members = {
        f"{part}.bin": b"".join(
            (b"" if name == "cifar10" else b"\x07") + bytes([label]) + row.tobytes()
            for row, label in zip(pixels, labels, strict=True)
        )
        for part, (pixels, labels) in batches(name).items()
    }
    text = "batches.meta.txt" if name == "cifar10" else "fine_label_names.txt"
    return {**members, text: "\n".join(CLASSES[name]).encode() + b"\n"}


WRITERS = {"python 2": python_2_members, "python 3": python_3_members, "binary": binary_members}


def write_archive(path: Path, name: str, members: Members, mode: str = "w:gz") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        folder = tarfile.TarInfo(FOLDER[name])
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for member, content in members.items():
            entry = tarfile.TarInfo(f"{FOLDER[name]}/{member}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def assert_right(data: DataSet, name: str) -> None:
    expected = batches(name)
    test = {part for part in expected if part.startswith("test")}
    assert data.classes == CLASSES[name]
    for split, parts in (("train", [part for part in expected if part not in test]), ("test", sorted(test))):
        pixels = np.concatenate([expected[part][0] for part in parts])
        np.testing.assert_array_equal(data.splits[split].pixels, pixels.reshape(-1, 3, 32, 32))
        assert data.splits[split].labels.tolist() == [label for part in parts for label in expected[part][1]]


def test_the_written_pickles_are_python_2s() -> None:
    found = pickle.loads(python_2_members("cifar10")["data_batch_2"], encoding="bytes")
    pixels, labels = batches("cifar10")["data_batch_2"]
    np.testing.assert_array_equal(found[b"data"], pixels)
    assert found[b"labels"] == labels
    assert found[b"filenames"][1] == b"1.png"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", WRITERS)
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_every_version_holds_the_same(tmp_path: Path, name: str, version: str, mode: str) -> None:
    assert_right(read_archive(name, write_archive(tmp_path / "any", name, WRITERS[version](name), mode)), name)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_members_does_not_matter(tmp_path: Path, name: str) -> None:
    members = dict(reversed(python_2_members(name).items()))
    assert_right(read_archive(name, write_archive(tmp_path / "any", name, members)), name)


@pytest.mark.parametrize("name", NAMES)
def test_both_published_names_are_found(tmp_path: Path, name: str, cache: Path) -> None:
    number = name.removeprefix("cifar")
    write_archive(tmp_path / name / f"cifar-{number}-binary.tar.gz", name, binary_members(name))
    assert_right(open_data(name, root=str(tmp_path)), name)
    write_archive(cache / "data" / name / f"cifar-{number}-python.tar.gz", name, python_2_members(name))
    assert_right(open_data(name), name)


@pytest.mark.parametrize("version", WRITERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_missing_member_is_named(tmp_path: Path, name: str, version: str) -> None:
    members = WRITERS[version](name)
    num_missed = 0
    for missing in members:
        if missing == "readme.html":
            continue
        rest = {member: content for member, content in members.items() if member != missing}
        path = write_archive(tmp_path / "any", name, rest)
        phrase = "names 0 classes" if "meta" in missing or "names" in missing else missing.removesuffix(".bin")
        with pytest.raises(DataError, match=phrase) as caught:
            read_archive(name, path)
        assert str(path) in caught.value.message
        num_missed += 1
    assert num_missed == (7 if name == "cifar10" else 3)


PIXELS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        b"text",
        None,
        {"data": PIXELS},
        {"labels": [1, 2]},
        {"data": PIXELS, "labels": [1]},
        {"data": PIXELS, "labels": [1, 10]},
        {"data": PIXELS, "labels": [1, -1]},
        {"data": PIXELS, "labels": ["one", "two"]},
        {"data": PIXELS, "labels": [[1], [2, 3]]},
        {"data": PIXELS, "labels": [0.5, 1.5]},
        {"data": PIXELS, "labels": [None, None]},
        {"data": PIXELS.astype(np.float32), "labels": [1, 2]},
        {"data": PIXELS[:, :3071], "labels": [1, 2]},
        {"data": PIXELS.reshape(2, 3, 32, 32), "labels": [1, 2]},
        {"data": PIXELS.tolist()[:1], "labels": [1]},
    ],
    ids=lambda batch: (
        f"{ {key: getattr(value, 'shape', value) for key, value in batch.items()} }"[:60]
        if isinstance(batch, dict)
        else str(batch)
    ),
)
def test_a_batch_of_another_form_is_refused(tmp_path: Path, batch: Any) -> None:
    members = {**python_3_members("cifar10"), "data_batch_4": pickle.dumps(batch, 2)}
    with pytest.raises(DataError, match="data_batch_4"):
        read_archive("cifar10", write_archive(tmp_path / "any", "cifar10", members))


@pytest.mark.parametrize(
    "meta", [[], 3, {"label_names": 3}, {"label_names": ["a"] * 9}, {b"label_names": [b"\xff"] * 10}]
)
def test_class_names_of_another_form_are_refused(tmp_path: Path, meta: Any) -> None:
    members = {**python_3_members("cifar10"), "batches.meta": pickle.dumps(meta, 3)}
    path = write_archive(tmp_path / "any", "cifar10", members)
    with pytest.raises(DataError, match=str(path)):
        read_archive("cifar10", path)


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"x" * 3074, b"\x0a" + b"x" * 3072])
def test_binary_records_of_another_form_are_refused(tmp_path: Path, content: bytes) -> None:
    members = {**binary_members("cifar10"), "test_batch.bin": content}
    with pytest.raises(DataError, match="test_batch"):
        read_archive("cifar10", write_archive(tmp_path / "any", "cifar10", members))


@pytest.mark.parametrize("member", ["data_batch_3", "batches.meta"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("how", ["system", "eval"])
def test_nothing_in_a_pickle_runs(tmp_path: Path, member: str, protocol: int, how: str) -> None:
    canary = tmp_path / "canary"
    command = f"touch {canary}" if how == "system" else f"open({str(canary)!r}, 'w').close()"
    text = b"X" + len(command).to_bytes(4, "little") + command.encode()
    module, function = ("os", "system") if how == "system" else ("builtins", "eval")
    named = f"c{module}\n{function}\n".encode()
    if protocol == 4:
        named = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, function)) + b"\x93"
    evil = bytes([0x80, protocol]) + b"}X\x04\x00\x00\x00data" + named + text + b"\x85Rs."
    path = write_archive(tmp_path / "any", "cifar10", {**python_2_members("cifar10"), member: evil})
    with pytest.raises(DataError, match=f"{member} is refused.*{module} {function}"):
        read_archive("cifar10", path)
    assert not canary.exists()
    pickle.loads(evil)  # it would have run
    assert canary.exists()


def test_links_and_odd_paths_leave_the_disk_alone(tmp_path: Path) -> None:
    path = tmp_path / "inside" / "archive"
    write_archive(path, "cifar10", {**python_2_members("cifar10"), "../../../escaped": b"x"})
    assert_right(read_archive("cifar10", path), "cifar10")
    link = tarfile.TarInfo("data_batch_1")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(path, "w") as archive:
        archive.addfile(link)
    with pytest.raises(DataError, match="names 0 classes"):
        read_archive("cifar10", path)
    assert sorted(os.listdir(tmp_path)) == ["inside"]
    assert os.listdir(tmp_path / "inside") == ["archive"]


def test_a_cut_or_changed_archive_is_refused(tmp_path: Path) -> None:
    whole = write_archive(tmp_path / "whole", "cifar100", python_2_members("cifar100")).read_bytes()
    path = tmp_path / "damaged.tar.gz"
    for content in [b"", b"no archive", whole[:5], whole[: len(whole) // 2], whole[:-2000]]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=str(path)):
            read_archive("cifar100", path)


def test_changed_bytes_are_a_data_error_or_nothing(tmp_path: Path) -> None:
    """Without compression no digest stands between a changed byte and the reader."""
    luck = random.Random(0)
    name = "cifar100"
    whole = write_archive(tmp_path / "whole", name, python_2_members(name), "w").read_bytes()
    path, num_refused = tmp_path / "changed", 0
    places = [at for at in range(len(whole)) if whole[at] or luck.random() < 0.1]
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(8):
            content[luck.choice(places)] = luck.randrange(256)
        path.write_bytes(content)
        try:
            read_archive(name, path)
        except DataError:
            num_refused += 1
    assert num_refused > 10
