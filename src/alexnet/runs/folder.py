"""The run folder: its files by name, how it is made, and that one process at a time trains into it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import RunInUseError, WeightsError
from .writing import append_line, make_folder, read_lines, storage_errors, write_text


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def origin(self) -> Path:
        return self.path / "origin.json"

    @property
    def classes(self) -> Path:
        return self.path / "classes.json"

    @property
    def split(self) -> Path:
        return self.path / "split.csv"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def signal(self) -> Path:
        return self.path / "signal.json"

    @property
    def advice(self) -> Path:
        return self.path / "advice.jsonl"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    def read_history(self) -> list[dict[str, Any]]:
        """The lines of `history.jsonl`, oldest first."""
        return read_lines(self.history)

    def append_history(self, row: dict[str, Any]) -> None:
        """One more line of `history.jsonl`."""
        append_line(self.history, row)

    def read_signal(self) -> dict[str, Any]:
        """What the signal check found before the first step; empty where it was not made."""
        return dict(json.loads(self.signal.read_text(encoding="utf-8"))) if self.signal.exists() else {}

    def read_advice(self) -> list[dict[str, Any]]:
        """The lines of `advice.jsonl`, oldest first."""
        return read_lines(self.advice)

    def append_advice(self, row: dict[str, Any]) -> None:
        """One more line of `advice.jsonl`: what was said about a training that does not learn."""
        append_line(self.advice, row)

    def cut_history(self, lines: int) -> None:
        """Keeps the first `lines` lines: what came after is computed and logged again."""
        _cut(self.history, lines)

    def cut_advice(self, lines: int) -> None:
        """Keeps the first `lines` lines of `advice.jsonl`; the others are of updates that are computed again."""
        if self.advice.exists():
            _cut(self.advice, lines)

    def remove_half_written(self) -> None:
        """Removes the temporary files of a process that was killed; for the holder of the lock alone."""
        for path in self.path.rglob(".*.tmp"):
            path.unlink(missing_ok=True)


def _cut(path: Path, lines: int) -> None:
    rows = read_lines(path)[:lines]
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class RunLock:
    """Held while a process trains into a folder; the system frees it when the process ends, however it ends.

    Raises:
        RunInUseError: another process holds it.
    """

    def __init__(self, folder: RunFolder) -> None:
        with storage_errors(folder.path):
            self._file = open(folder.path / ".lock", "a+", encoding="utf-8")  # noqa: SIM115  # held until released
        if not _lock(self._file):
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise RunInUseError(f"Another process (number {owner}) trains into {folder.path}.", "Wait, or stop it.")
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Lets others train into the folder."""
        self._file.close()


MAX_SLUG = 60
"""Characters of a data set's name in a folder's name; file systems allow 255 bytes in all."""


def slug(name: str) -> str:
    """A data set's name or folder as a part of a folder's name.

    >>> slug("/home/ann/My flowers/")
    'my-flowers'
    """
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    return re.sub(r"[^\w]+", "-", last.rpartition(":")[2]).strip("-").lower()[:MAX_SLUG] or "pictures"


def new_run(data: str, model: str, chosen: Path | None = None, root: Path | None = None) -> RunFolder:
    """A folder for a new run: `chosen`, or `runs/<data>-<model>-<n>/` with the first free number.

    Raises:
        RunInUseError: `chosen` exists and holds something.
        StorageError: it cannot be made.
    """
    if chosen is not None:
        if chosen.exists() and (not chosen.is_dir() or any(chosen.iterdir())):
            raise RunInUseError(
                f"{chosen} exists already, and a run is never overwritten.",
                "Go on with it by --resume, or choose another folder.",
            )
        return RunFolder(make_folder(chosen))
    parent = make_folder(root or Path("runs"))
    number = 1
    while True:
        path = parent / f"{slug(data)}-{model}-{number}"
        with storage_errors(path):
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
        return RunFolder(path)


def find_run(path: Path) -> RunFolder:
    """The run that lies in a folder.

    Raises:
        WeightsError: there is no such folder, or no run in it.
    """
    if not path.is_dir():
        raise WeightsError(f"There is no run folder {path}.", "Runs lie under runs/; `ls runs` lists them.")
    if not (path / "config.json").exists():
        raise WeightsError(f"{path} holds no run: config.json is missing.", "Name the folder that `train` printed.")
    return RunFolder(path)


def list_runs(data: str, model: str, root: Path | None = None) -> list[Path]:
    """The folders of the runs of a model on a data set, by number; such as have never begun are left out."""
    prefix = f"{slug(data)}-{model}-"
    parent = root or Path("runs")
    if not parent.is_dir():
        return []
    named = [path for path in parent.iterdir() if path.name.startswith(prefix) and (path / "config.json").exists()]
    numbered = [path for path in named if path.name.removeprefix(prefix).isdigit()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix(prefix)))


def discard_run(folder: RunFolder) -> None:
    """Removes the folder of a run that never began."""
    shutil.rmtree(folder.path, ignore_errors=True)
