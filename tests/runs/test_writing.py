"""Files appear whole or not at all, and nothing that a person reads in them is a formula or unreadable."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.errors import StorageError
from alexnet.runs import make_folder, replace_file, storage_errors, write_bytes, write_csv, write_json, write_text
from alexnet.runs.writing import append_line, guard_cell, read_lines


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5000, memoryview(b"view")])
def test_content_replaces_what_was_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    for _ in range(2):
        write_bytes(path, content)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("place", ["file/below", "missing/file", "folder", "x" * 300])
def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").write_bytes(b"old")
    with pytest.raises(StorageError) as caught:
        write_bytes(tmp_path / place, b"new")
    assert caught.value.exit_code == 6
    assert str(tmp_path / place) in caught.value.message
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == (tmp_path / "folder/inside").read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_says_so(tmp_path: Path) -> None:
    message = r"The disk is full: .* needs 2\.0 MB and .* MB are free"
    with (
        pytest.raises(StorageError, match=message) as caught,
        storage_errors(tmp_path / "file", 2_000_000),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")
    assert caught.value.hint


LIMITED = """
import resource, sys, pathlib, signal
from alexnet.runs import write_bytes
from alexnet.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(pathlib.Path(sys.argv[1]), b"new" * 10_000)
except StorageError as error:
    sys.exit(error.exit_code)
"""


def test_the_old_file_stays_when_writing_stops_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    assert subprocess.run([sys.executable, "-c", LIMITED, str(path)], timeout=60).returncode == 6
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("file", b"old")]


def test_a_missing_source_leaves_the_target(tmp_path: Path) -> None:
    target, source = tmp_path / "target", tmp_path / "source"
    target.write_bytes(b"old")
    with pytest.raises(StorageError):
        replace_file(source, target)
    assert target.read_bytes() == b"old"
    source.write_bytes(b"new")
    replace_file(source, target)
    assert (target.read_bytes(), source.exists()) == (b"new", False)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o027])
def test_the_persons_umask_is_respected(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "file", b"x")
        append_line(tmp_path / "lines", {})
        make_folder(tmp_path / "folder")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"file": 0o666 & ~umask, "lines": 0o666 & ~umask, "folder": 0o777 & ~umask}


def test_make_folder(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a/b/c").is_dir()
    assert make_folder(tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").write_bytes(b"x")
    for place in ("file", "file/below"):
        with pytest.raises(StorageError):
            make_folder(tmp_path / place)


def test_text_and_json(tmp_path: Path) -> None:
    odd = os.fsdecode(b"latin \xe9.png")
    write_text(tmp_path / "text", f"grün 🙂 {odd}")
    assert (tmp_path / "text").read_bytes() == "grün 🙂 latin \\udce9.png".encode()
    value = {"path": odd, "grün": [1, 0.1, None, True], "odd": 'a"\n\\b'}
    write_json(tmp_path / "json", value)
    assert json.loads((tmp_path / "json").read_text(encoding="utf-8")) == value
    assert "grün" in (tmp_path / "json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "json", {"loss": float("nan")})
    assert json.loads((tmp_path / "json").read_text(encoding="utf-8")) == value


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_no_text_is_taken_for_a_formula(cell: str) -> None:
    assert guard_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "rose", "1-2", "a=b", "'", -1, -0.5, None, 3])
def test_other_cells_stay(cell: object) -> None:
    assert guard_cell(cell) is cell


def test_tables_come_back(tmp_path: Path) -> None:
    rows = [
        ["a, b", 1, -0.5],
        ["=1+1", 2, ""],
        ['say "x"', 3, "line\nbreak"],
        ["carriage\rreturn", 4, "both\r\n"],
        ["grün 🙂", 5, os.fsdecode(b"\xff.png")],
    ]
    write_csv(tmp_path / "table.csv", ["path", "n", "note"], rows)
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found == [
        ["path", "n", "note"],
        ["a, b", "1", "-0.5"],
        ["'=1+1", "2", ""],
        ['say "x"', "3", "line\nbreak"],
        ["carriage\rreturn", "4", "both\r\n"],
        ["grün 🙂", "5", "\\udcff.png"],
    ]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert read_lines(path) == []
    rows = [{"step": step, "text": "a\nb 🙂"} for step in range(3)]
    for row in rows:
        append_line(path, row)
    assert read_lines(path) == rows
    assert len(path.read_bytes().splitlines()) == 3
    with pytest.raises(StorageError):
        append_line(tmp_path, {})


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for step in range(3):
        append_line(path, {"step": step})
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        assert [row["step"] for row in read_lines(path)] == [0, 1]
