"""`alexnet data` on folders: what a person and a machine are told, the list of `--fix`, and a training that uses it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.cli.main import main

Capture = pytest.CaptureFixture[str]
FAST = ("--epochs", "1", "--set", "training.batch_size=64", "--image-size", "28", "--precision", "fp32")


def ask(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command."""
    capsys.readouterr()
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Time stamp and digest of everything below a folder, and of itself."""
    return {
        str(path): (path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def write_photos(root: Path, per_class: int, side: int = 32, seed: int = 0) -> None:
    """Patches of colour in two classes, every second one a JPEG, the others PNG."""
    luck = np.random.default_rng(seed)
    for label in (0, 1):
        folder = root / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(per_class):
            coarse = Image.fromarray(luck.integers(0, 256, (8, 8, 3)).astype(np.uint8))
            picture = coarse.resize((side, side), Image.Resampling.BILINEAR)
            picture.save(folder / f"{number:04d}.{'jpg' if number % 2 else 'png'}", compress_level=1)


def damage(root: Path) -> dict[str, str]:
    """Seven files damaged in seven ways, and how the reason of each begins."""
    jpeg, png = (root / "class0/0001.jpg").read_bytes(), (root / "class0/0000.png").read_bytes()
    wrong_digest = bytearray(png[:-20])
    wrong_digest[png.index(b"IDAT") + 40] ^= 255
    header = struct.pack(">IIBBBBB", 10_000, 6_000, 8, 2, 0, 0, 0)
    size = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    files: dict[str, tuple[bytes, str]] = {
        "class0/cut.jpg": (jpeg[: len(jpeg) // 2], "is cut short"),
        "class0/empty.png": (b"", "is empty"),
        "class0/text.jpg": (b"Dear diary, today I photographed a cat.", "is not a picture"),
        "class1/digest.png": (bytes(wrong_digest), "is damaged"),
        "class1/head.jpg": (jpeg[:20], "is "),
        "class1/head.gif": (b"GIF89a\x20\x00", "is "),
        "class1/vast.png": (png[:8] + size + png[33:], "has 10000 × 6000 pixels"),
    }
    for name, (content, _) in files.items():
        (root / name).write_bytes(content)
    return {name: reason for name, (_, reason) in files.items()}


def test_2000_pictures_of_which_7_are_damaged(tiny_net: str, tmp_path: Path, capsys: Capture) -> None:
    """They train, 7 of 7 are named and nothing else, and no byte or time stamp of the folder changes."""
    root = tmp_path / "pictures"
    write_photos(root, 1000)
    for path in (*sorted((root / "class0").iterdir())[-3:], *sorted((root / "class1").iterdir())[-4:]):
        path.unlink()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "note").write_text("mine")
    reasons = damage(root)
    assert len(list(root.glob("class*/*"))) == 2000
    before = state(root)

    code, out, err = ask(capsys, "data", str(root), "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert [item["path"] for item in facts["damaged"]] == sorted(reasons)
    assert all(item["reason"].startswith(reasons[item["path"]]) for item in facts["damaged"])
    assert sum(facts["splits"].values()) == 1993
    assert (facts["duplicates"], facts["other_formats"], facts["nearly_empty"]) == ([], [], [])
    assert facts["imbalance"] is None
    assert set(facts["kinds"]) == {"small"}, "they are of 32 × 32 pixels"

    code, _, err = ask(capsys, "train", str(root), "--model", tiny_net, *FAST, "--run", str(tmp_path / "run"))
    assert code == 0
    told = [line for line in err.splitlines() if line.startswith("Left out: ")]
    assert [line.split()[2] for line in told] == sorted(reasons)
    assert state(root) == before


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """20 + 4 pictures, with a damaged one, a copy, a leak and a contradiction."""
    root = tmp_path / "odd pictures"
    write_photos(root / "train", 10, side=80)
    for label in (0, 1):
        (root / f"val/class{label}").mkdir(parents=True)
        for number in (8, 9):
            name = f"class{label}/{number:04d}.{'jpg' if number % 2 else 'png'}"
            (root / "train" / name).rename(root / "val" / name)
    shutil.copy(root / "train/class0/0000.png", root / "train/class0/copy.png")
    shutil.copy(root / "train/class0/0001.jpg", root / "val/class0/leak.jpg")
    shutil.copy(root / "train/class0/0002.png", root / "train/class1/torn.png")
    (root / "train/class1/bad.jpg").write_bytes(b"")
    return root


ROWS = [
    ["path", "problem", "advice", "with"],
    ["train/class1/bad.jpg", "is empty", "leave out", ""],
    ["train/class0/copy.png", "same file", "leave out", "train/class0/0000.png"],
    ["train/class0/0001.jpg", "same file in train and val", "leave out", "val/class0/leak.jpg"],
    ["train/class0/0002.png", "same file in several classes", "look at it", "train/class1/torn.png"],
    ["train/class1/torn.png", "same file in several classes", "look at it", "train/class0/0002.png"],
]


def test_a_person_is_told_in_a_few_lines(odd: Path, capsys: Capture) -> None:
    code, out, _ = ask(capsys, "data", str(odd))
    assert code == 0
    for line in (
        "Sizes: all 80 × 80 pixels",
        "The same file: 3 groups: train/class0/0000.png = train/class0/copy.png; ",
        "Leakage: 1 group of copies in several splits: train/class0/0001.jpg (train and val)",
        "Contradicting labels: 1 group of copies in several classes: train/class0/0002.png (class0 and class1)",
        "1 damaged file, left out of training:",
        "  train/class1/bad.jpg is empty",
    ):
        assert line in out


def test_a_clean_folder_is_told_in_fewer(tmp_path: Path, capsys: Capture) -> None:
    write_photos(tmp_path / "x/train", 6, side=80)
    write_photos(tmp_path / "x/val", 1, side=70, seed=1)
    _, out, _ = ask(capsys, "data", str(tmp_path / "x"))
    after = out.split("sum")[1].splitlines()[2:]
    assert after == ["Sizes: smallest 70 × 70, median 80 × 80, largest 80 × 80", "No damaged files. No copies."]


def test_copies_in_a_folder_without_splits_may_leak_by_seed(tmp_path: Path, capsys: Capture) -> None:
    write_photos(tmp_path / "x", 6, side=80)
    assert "both sides" not in ask(capsys, "data", str(tmp_path / "x"))[1]
    shutil.copy(tmp_path / "x/class0/0000.png", tmp_path / "x/class0/copy.png")
    _, out, _ = ask(capsys, "data", str(tmp_path / "x"))
    assert "copies may lie on both sides" in out
    assert "Leakage" not in out


def test_a_folder_of_damaged_files_alone_is_told(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x/a").mkdir(parents=True)
    (tmp_path / "x/a/one.jpg").write_bytes(b"")
    code, out, _ = ask(capsys, "data", str(tmp_path / "x"))
    assert code == 0
    assert "a/one.jpg is empty" in out


def test_fix_writes_a_list_and_a_training_uses_it(
    odd: Path, tiny_net: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = state(odd)
    code, out, _ = ask(capsys, "data", str(odd), "--fix")
    assert code == 0
    assert "3 to leave out, 2 to look at. To train without them: --set 'data.leave_out=odd pictures-fix.csv'" in out
    with open("odd pictures-fix.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == ROWS
    code, out, _ = ask(capsys, "data", str(odd), "--fix-to", "other.csv", "--json")
    assert code == 0
    assert json.loads(out)["fix"] == "other.csv"
    assert Path("other.csv").read_bytes() == Path("odd pictures-fix.csv").read_bytes()
    code, _, err = ask(
        capsys, "train", str(odd), "--model", tiny_net, *FAST, "--set", "data.leave_out=odd pictures-fix.csv"
    )
    assert code == 0, err
    assert "Pictures left out, as odd pictures-fix.csv says: 3" in err
    with open(next(Path("runs").iterdir()) / "split.csv", encoding="utf-8") as file:
        used = {row["path"] for row in csv.DictReader(file)}
    assert len(used) == 20 + 3 - 2
    assert not used & {row[0] for row in ROWS if row[2] == "leave out"}
    assert state(odd) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data", "--fix"], "needs a folder"),
        (["data", "sample", "--fix"], "is for a folder"),
        (["data", "FOLDER", "--fix-to", "FOLDER/train/list.csv"], "inside the pictures' folder"),
        (["data", "FOLDER", "--fix-to", "there.csv"], "exists already"),
        (["train", "FOLDER", "--set", "data.leave_out=nowhere.csv"], "cannot be read"),
        (["train", "sample", "--set", "data.leave_out=there.csv"], "is for a folder"),
    ],
)
def test_wrong_use_of_lists(
    odd: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("mine")
    before = state(odd)
    code, out, err = ask(capsys, *[word.replace("FOLDER", str(odd)) for word in arguments])
    assert (code, out) == (2, "")
    assert said in err
    assert Path("there.csv").read_text() == "mine"
    assert state(odd) == before


def test_a_list_is_not_written_into_the_pictures_through_the_current_folder(
    odd: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(odd / "train")
    code, _, err = ask(capsys, "data", "..", "--fix")
    assert code == 2
    assert "--fix-to" in err
