"""Run folders: numbered without collisions, never overwritten, trained into by one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alexnet.errors import RunInUseError, StorageError, WeightsError
from alexnet.runs import RunFolder, RunLock, describe_origin, find_run, library_versions, list_runs, new_run, slug

MAKE = """
import sys, pathlib
from alexnet.runs import new_run
for _ in range(5):
    print(new_run("sample", "keras", root=pathlib.Path(sys.argv[1])).path.name)
"""
HOLD = """
import sys, pathlib, time
from alexnet.runs import RunFolder, RunLock
lock = RunLock(RunFolder(pathlib.Path(sys.argv[1])))
print("held", flush=True)
time.sleep(60)
"""
TRY = """
import sys, pathlib
from alexnet.errors import RunInUseError
from alexnet.runs import RunFolder, RunLock
try:
    RunLock(RunFolder(pathlib.Path(sys.argv[1])))
except RunInUseError as error:
    print(error.message)
    sys.exit(error.exit_code)
"""


def test_numbers_go_up(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for data, expected in (("sample", "sample-keras-1"), ("sample", "sample-keras-2"), ("a/My set", "my-set-keras-1")):
        assert new_run(data, "keras", root=root).path == root / expected
        assert (root / expected).is_dir()
    (root / "sample-keras-3").write_bytes(b"a file is in the way")
    assert new_run("sample", "keras", root=root).path.name == "sample-keras-4"


def test_runs_lie_under_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new_run("sample", "keras").path == Path("runs/sample-keras-1")
    assert (tmp_path / "runs/sample-keras-1").is_dir()
    assert list_runs("sample", "keras") == []
    Path("runs/sample-keras-1/config.json").write_bytes(b"{}")
    assert list_runs("sample", "keras") == [Path("runs/sample-keras-1")]


def test_twenty_at_once_get_twenty_folders(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    with ThreadPoolExecutor(20) as pool:
        paths = list(pool.map(lambda _: new_run("sample", "keras", root=root).path, range(20)))
    assert sorted(path.name for path in paths) == sorted(f"sample-keras-{number}" for number in range(1, 21))


def test_four_processes_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path / "runs")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    names = [name for process in processes for name in process.communicate(timeout=60)[0].split()]
    assert sorted(names) == sorted(f"sample-keras-{number}" for number in range(1, 21))


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for place in ("full", "file"):
        with pytest.raises(RunInUseError, match=f"{tmp_path / place} exists already") as caught:
            new_run("sample", "keras", tmp_path / place)
        assert caught.value.exit_code == 7
        assert "--resume" in caught.value.hint
    (tmp_path / "empty").mkdir()
    for place in ("empty", "new/deep"):
        assert new_run("sample", "keras", tmp_path / place).path == tmp_path / place
        assert (tmp_path / place).is_dir()
    with pytest.raises(StorageError):
        new_run("sample", "keras", tmp_path / "file/below")
    with pytest.raises(StorageError):
        new_run("sample", "keras", root=tmp_path / "file")


def test_runs_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("sample-keras-10", "sample-keras-2", "sample-keras-x", "sample-half-1", "other-sample-keras-1", "7"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_bytes(b"{}")
    (tmp_path / "sample-keras-11").mkdir()  # of a run that never began
    assert [path.name for path in list_runs("sample", "keras", tmp_path)] == ["sample-keras-2", "sample-keras-10"]
    assert list_runs("sample", "keras", tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sample", "sample"),
        ("cifar10", "cifar10"),
        ("/home/ann/My flowers/", "my-flowers"),
        ("C:\\Pictures\\Katzen\\", "katzen"),
        ("torchvision:MNIST", "mnist"),
        ("hf:user/name", "name"),
        ("./Grüße 🙂", "grüße"),
        ("..", "pictures"),
        ("/", "pictures"),
        ("🙂", "pictures"),
        ("a b\nc'd\"e", "a-b-c-d-e"),
        ("-rf", "rf"),
        (os.fsdecode(b"caf\xe9"), "caf"),
    ],
)
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_long_name_still_makes_a_folder(tmp_path: Path) -> None:
    assert new_run("x" * 250, "museum-no-overlap", root=tmp_path).path.is_dir()


def test_a_second_process_is_turned_away_until_the_first_ends(tmp_path: Path) -> None:
    attempt = [sys.executable, "-c", TRY, str(tmp_path)]
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        second = subprocess.run(attempt, capture_output=True, text=True, timeout=60)
        assert second.returncode == 7
        assert f"(number {holder.pid})" in second.stdout
        with pytest.raises(RunInUseError):
            RunLock(RunFolder(tmp_path))
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert subprocess.run(attempt, timeout=60).returncode == 0


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    for _ in range(2):
        lock = RunLock(RunFolder(tmp_path))
        with pytest.raises(RunInUseError, match=f"number {os.getpid()}") as caught:
            RunLock(RunFolder(tmp_path))
        assert caught.value.hint
        lock.release()
    with pytest.raises(StorageError):
        RunLock(RunFolder(tmp_path / "nowhere"))


def test_find_run(tmp_path: Path) -> None:
    for place, phrase in ((tmp_path / "nowhere", "There is no run folder"), (tmp_path, "config.json is missing")):
        with pytest.raises(WeightsError, match=phrase) as caught:
            find_run(place)
        assert caught.value.exit_code == 4
        assert caught.value.hint
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert find_run(tmp_path) == RunFolder(tmp_path)


def test_history_is_cut(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.read_history() == []
    rows = [{"step": step, "split": "train", "loss": 1 / (step + 1)} for step in range(5)]
    for row in rows:
        run.append_history(row)
    with open(run.history, "ab") as file:
        file.write(b'{"step": 5, "spl')  # a crash
    assert run.read_history() == rows
    run.cut_history(3)
    assert run.read_history() == rows[:3]
    run.append_history(rows[3])
    assert run.read_history() == rows[:4]
    run.cut_history(9)
    assert run.read_history() == rows[:4]
    run.cut_history(0)
    assert run.history.read_bytes() == b""


def test_the_files_of_a_run_lie_inside_it() -> None:
    run = RunFolder(Path("runs/x-1"))
    names = {
        path.name
        for path in (
            run.config,
            run.origin,
            run.classes,
            run.split,
            run.history,
            run.checkpoints,
            run.weights,
            run.metrics,
        )
        if path.parent == run.path
    }
    assert names == {
        "config.json",
        "origin.json",
        "classes.json",
        "split.csv",
        "history.jsonl",
        "checkpoints",
        "model.safetensors",
        "metrics.json",
    }


def test_origin() -> None:
    origin = describe_origin()
    assert origin["command"] == sys.argv
    assert origin["libraries"]["alexnet"]
    assert origin["libraries"].keys() == {"alexnet", "torch", "numpy", "pillow", "safetensors"}
    assert origin["python"] == ".".join(map(str, sys.version_info[:3]))
    assert library_versions(("no-such-library",)) == {"no-such-library": None}
