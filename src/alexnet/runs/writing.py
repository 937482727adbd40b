"""The functions that write files: whole or not at all.

A file appears under its name only after all of it lies on the disk: temporary file in the same
folder, flush, fsync, rename, fsync of the folder. A crash leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import StorageError, WeightsError


def _explain(path: Path, error: OSError, num_bytes: int) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free / 1e6
        return StorageError(
            f"The disk is full: {path} needs {num_bytes / 1e6:.1f} MB and {free:.1f} MB are free.",
            "Make room, then go on with --resume.",
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StorageError(f"{path} cannot be written: {error.strerror}.", "Choose another folder.")
    return StorageError(f"{path} cannot be written: {error.strerror or error}.", "Check the path.")


@contextlib.contextmanager
def storage_errors(path: Path, num_bytes: int = 0) -> Iterator[None]:
    """Turns the operating system's errors into a `StorageError` that names the file."""
    try:
        yield
    except OSError as error:
        raise _explain(path, error, num_bytes) from error


def check_space(folder: Path, num_bytes: int, what: str) -> None:
    """Refuses to begin what the disk cannot hold.

    Raises:
        StorageError: fewer than `num_bytes` are free; says how much is missing.
    """
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise StorageError(
            f"{what} need {num_bytes / 1e6:,.0f} MB in {folder}; {free / 1e6:,.0f} MB are free,"
            f" {(num_bytes - free) / 1e6:,.0f} MB are missing.",
            "Make room, or choose a folder on another disk.",
        )


def make_folder(path: Path) -> Path:
    """The folder, made with its parents where it is missing.

    Raises:
        StorageError: it cannot be made.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder for syncing
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def new_file(path: Path, num_bytes: int = 0) -> Iterator[BinaryIO]:
    """A file to write into; what was written appears under `path` at the end of the block, whole or not at all.

    Args:
        num_bytes: how much is about to be written, for the message when the disk is full.

    Raises:
        StorageError: the disk is full (says how much is needed and free), read-only or failing.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path, num_bytes):
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """`content` under `path`, whole or not at all.

    Raises:
        StorageError: see `new_file`.
    """
    with new_file(path, len(content)) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Text as UTF-8; the bytes of a name that are no text become visible escapes."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """JSON with an indent that people can read; not-a-number is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def guard_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that starts like one gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def cell_text(value: object) -> str:
    """What stands in a cell of `write_csv` for a value, so that a name is found again in a table that was read."""
    return str(guard_cell(value)).encode("utf-8", errors="backslashreplace").decode("utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with a header line."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(header)
    for row in rows:
        # Python 3.11 does not quote a lone carriage return of its own accord.
        writer = quoting if any("\r" in str(cell) for cell in row) else plain
        writer.writerow([guard_cell(cell) for cell in row])
    write_text(path, text.getvalue())


def append_line(path: Path, value: dict[str, Any]) -> None:
    """One JSON object as a line at the end of a file."""
    line = json.dumps(value, ensure_ascii=False) + "\n"
    with storage_errors(path, len(line)), open(path, "a", encoding="utf-8") as file:
        file.write(line)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file of lines; a last line that a crash cut short is left out.

    Raises:
        WeightsError: another line is damaged; names it.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise WeightsError(f"Line {number} of {path} is damaged.", "Remove that line.") from error
    return rows


def replace_file(source: Path, target: Path) -> None:
    """Renames a file over another, and makes that last.

    Raises:
        StorageError: the folder cannot be changed.
    """
    with storage_errors(target):
        os.replace(source, target)
        _sync_folder(target.parent)


def link_file(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, without a second copy where the file system can.

    Raises:
        StorageError: the disk is full, or the folder cannot be changed.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with storage_errors(target, source.stat().st_size):
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # the file system has no hard links
            shutil.copyfile(source, temporary)
    replace_file(temporary, target)


STALE_SECONDS = 24 * 3600


def remove_stale(folder: Path) -> None:
    """Removes the temporary files of processes that were killed more than a day ago."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
