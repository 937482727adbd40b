"""The data doctor: each kind of finding is found and named, clean folders have none, and no file is touched."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.config import make_config
from alexnet.data import ADVICE_HEADER, KINDS, Survey, advise, open_data, open_for_run, survey_arrays, survey_folder
from alexnet.data.advice import LEAVE_OUT, LOOK
from alexnet.data.doubles import near_pairs
from alexnet.data.look import look_at
from alexnet.errors import ConfigError, DataError
from alexnet.runs import write_csv

WIDTH, HEIGHT = 96, 80


def photo(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Broad patches of colour, as photographs have."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """12 + 4 pictures in two classes, with nothing odd."""
    root = tmp_path / "pictures"
    for number, (split, name, count) in enumerate(
        (("train", "a", 6), ("train", "b", 6), ("val", "a", 2), ("val", "b", 2))
    ):
        (root / split / name).mkdir(parents=True)
        for index in range(count):
            ending = "jpg" if index % 2 else "png"
            photo(100 * number + index).save(root / split / name / f"{index}.{ending}")
    return root


def groups(survey: Survey) -> list[tuple[str, list[str], bool, bool]]:
    return [(g.same, [copy.path for copy in g.copies], g.is_leak, g.is_contradiction) for g in survey.groups]


def test_a_clean_folder_has_no_findings(clean: Path) -> None:
    done: list[tuple[int, int]] = []
    survey = survey_folder(clean, progress=lambda *numbers: done.append(numbers))
    assert survey.counts == {"train": (6, 6), "val": (2, 2)}
    assert survey.classes == ("a", "b")
    assert survey.sizes is not None
    assert set(vars(survey.sizes).values()) == {(WIDTH, HEIGHT)}
    assert (survey.damaged, survey.notes, survey.kinds, survey.other_formats, survey.groups) == ((), (), {}, (), ())
    assert survey.nearly_empty == ()
    assert survey.imbalance is None
    assert done == [(16, 16)]
    assert advise(survey) == []


def test_sizes_are_upright_and_the_median_is_a_picture(clean: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(1, 400, 300).save(clean / "train/a/large.jpg", exif=exif)
    photo(2, 50, 70).save(clean / "train/a/low.png")
    survey = survey_folder(clean)
    assert survey.sizes is not None
    assert vars(survey.sizes) == {"smallest": (50, 70), "median": (WIDTH, HEIGHT), "largest": (300, 400)}
    assert survey.kinds == {"small": ("train/a/low.png",), "turned": ("train/a/large.jpg",)}


def odd_pictures() -> dict[str, tuple[str, Callable[[Path], Any]]]:
    """(file, how to write it) by kind."""
    picture, other = photo(900), photo(901)
    half = Image.fromarray(np.where(np.arange(WIDTH) < 40, 0, 255)[None].repeat(HEIGHT, 0).astype(np.uint8))
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    clear = picture.copy()
    clear.putalpha(half)
    exif = Image.Exif()
    exif[0x0112] = 3
    return {
        "small": ("small.png", lambda path: photo(900, 63, 200).save(path)),
        "long": ("long.png", lambda path: photo(900, 70, 281).save(path)),
        "turned": ("turned.jpg", lambda path: picture.save(path, exif=exif)),
        "grey": ("grey.jpg", lambda path: picture.convert("L").save(path)),
        "cmyk": ("cmyk.jpg", lambda path: picture.convert("CMYK").save(path)),
        "palette": ("palette.png", lambda path: picture.convert("P").save(path)),
        "transparent": ("clear.png", lambda path: clear.save(path)),
        "deep": ("deep.png", lambda path: deep.save(path)),
        "one_bit": ("bits.png", lambda path: half.convert("1").save(path)),
        "frames": ("moving.gif", lambda path: picture.save(path, save_all=True, append_images=[other])),
    }


@pytest.mark.parametrize("kind", odd_pictures())
def test_odd_pictures_are_named_by_kind(clean: Path, kind: str) -> None:
    name, write = odd_pictures()[kind]
    write(clean / "train/a" / name)
    survey = survey_folder(clean)
    also = {"deep": ("grey",), "one_bit": ("grey",)}.get(kind, ())  # grey by nature
    assert survey.kinds == {key: (f"train/a/{name}",) for key in KINDS if key in (kind, *also)}
    assert survey.damaged == ()
    assert survey.other_formats == ()


def test_every_kind_has_a_test() -> None:
    assert {*odd_pictures(), "colour"} == set(KINDS)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_frames_and_pages_of_every_format(clean: Path, format: str) -> None:
    ending = {"TIFF": "tif"}.get(format, format.lower())
    several, single = clean / f"train/a/many.{ending}", clean / f"train/a/one.{ending}"
    photo(1).save(several, format, save_all=True, append_images=[photo(2)])
    photo(3).save(single, format)
    assert survey_folder(clean).kinds == {"frames": (f"train/a/many.{ending}",)}


def test_colour_of_16_bits_is_deep(clean: Path) -> None:
    """Pillow cannot write such a PNG."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    lines = b"".join(b"\0" + row.tobytes() for row in np.asarray(photo(1)).astype(">u2") * 257)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (clean / "train/a/deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert survey_folder(clean).kinds == {"deep": ("train/a/deep.png",)}


def test_what_looks_odd_and_is_not(clean: Path) -> None:
    """An alpha channel that is opaque, a single GIF, and a camera's JPEG with a preview behind it."""
    opaque = photo(1).convert("RGBA")
    opaque.save(clean / "train/a/opaque.png")
    photo(2).save(clean / "train/a/single.gif")
    photo(3).save(clean / "train/a/camera.jpg", "MPO", save_all=True, append_images=[photo(4, 20, 20)])
    photo(5).save(clean / "train/a/SHOUTED.JPEG")
    survey = survey_folder(clean)
    assert survey.kinds == {}
    assert survey.other_formats == ()


def test_colour_among_grey(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for number in range(6):
            photo(number + 10 * ord(name)).convert("L").save(tmp_path / "x" / name / f"{number}.png")
    assert survey_folder(tmp_path / "x").kinds == {}
    photo(1).save(tmp_path / "x/a/colour.png")
    assert survey_folder(tmp_path / "x").kinds == {"colour": ("a/colour.png",)}


def test_content_of_another_format_is_named(clean: Path) -> None:
    photo(1).save(clean / "train/a/wrong.jpg", "PNG")
    photo(2).save(clean / "train/b/wrong.png", "JPEG")
    survey = survey_folder(clean)
    assert survey.other_formats == (("train/a/wrong.jpg", "PNG"), ("train/b/wrong.png", "JPEG"))


def test_damaged_files_are_all_named_however_many(clean: Path) -> None:
    for path in (clean / "train/a").iterdir():
        path.write_bytes(b"")
    survey = survey_folder(clean)
    assert [(item.path, item.reason) for item in survey.damaged] == [
        (f"train/a/{name}", "is empty") for name in sorted(os.listdir(clean / "train/a"))
    ]
    assert survey.counts == {"train": (0, 6), "val": (2, 2)}
    assert survey.nearly_empty == (("a", 0),)
    for path in clean.rglob("*.*g"):
        path.write_bytes(b"no picture")
    survey = survey_folder(clean)
    assert len(survey.damaged) == 16
    assert survey.sizes is None
    assert survey.groups == ()


def test_copies_of_files_and_of_pixels(clean: Path) -> None:
    shutil.copy(clean / "train/a/0.png", clean / "train/a/copy.png")
    Image.open(clean / "train/b/0.png").save(clean / "train/b/again.bmp")
    assert groups(survey_folder(clean)) == [
        ("file", ["train/a/0.png", "train/a/copy.png"], False, False),
        ("pixels", ["train/b/0.png", "train/b/again.bmp"], False, False),
    ]


def test_leakage_and_contradiction(clean: Path) -> None:
    shutil.copy(clean / "train/a/0.png", clean / "val/a/9.png")
    shutil.copy(clean / "train/a/1.jpg", clean / "train/b/8.jpg")
    shutil.copy(clean / "train/b/2.png", clean / "val/a/7.png")
    survey = survey_folder(clean)
    assert groups(survey) == [
        ("file", ["train/a/0.png", "val/a/9.png"], True, False),
        ("file", ["train/a/1.jpg", "train/b/8.jpg"], False, True),
        ("file", ["train/b/2.png", "val/a/7.png"], True, True),
    ]
    assert advise(survey) == [
        ("train/a/0.png", "same file in train and val", LEAVE_OUT, "val/a/9.png"),
        ("train/a/1.jpg", "same file in several classes", LOOK, "train/b/8.jpg"),
        ("train/b/8.jpg", "same file in several classes", LOOK, "train/a/1.jpg"),
        ("train/b/2.png", "same file in several classes in train and val", LOOK, "val/a/7.png"),
        ("val/a/7.png", "same file in several classes in train and val", LOOK, "train/b/2.png"),
    ]


def test_of_many_copies_the_measured_one_stays(clean: Path) -> None:
    shutil.copytree(clean / "val", clean / "test")
    for path in (clean / "test").rglob("*.*g"):
        photo(int(path.stem) + 50 * ord(path.parent.name)).save(path)
    for place in ("train/a/x.png", "val/a/y.png", "test/a/z.png"):
        shutil.copy(clean / "train/a/0.png", clean / place)
    rows = advise(survey_folder(clean))
    assert [(row[0], row[2], row[3]) for row in rows] == [
        (path, LEAVE_OUT, "test/a/z.png") for path in ("train/a/0.png", "train/a/x.png", "val/a/y.png")
    ]


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
def test_pictures_saved_again_are_near_and_others_are_not(clean: Path, quality: int) -> None:
    photo(700, 200, 150).save(clean / "train/b/whole.png")
    photo(700, 200, 150).save(clean / "val/b/again.jpg", quality=quality)
    photo(700, 100, 75).save(clean / "train/b/half.jpg", quality=90)
    assert groups(survey_folder(clean)) == [
        ("near", ["train/b/half.jpg", "train/b/whole.png", "val/b/again.jpg"], True, False)
    ]


def test_near_pairs_equal_comparing_all_with_all(tmp_path: Path) -> None:
    looks = []
    for seed in range(30):
        for copy in range(2 if seed % 3 == 0 else 1):
            path = tmp_path / f"{seed}-{copy}.jpg"
            photo(seed).save(path, quality=95 - 55 * copy)
            looks.append(look_at(path, path.name))
    expected = {
        (i, j)
        for i in range(len(looks))
        for j in range(i)
        if bin(looks[i].difference_hash ^ looks[j].difference_hash).count("1") <= 2
        and np.abs(looks[i].thumb.astype(int) - looks[j].thumb).mean() <= 4
    }
    assert {tuple(sorted(pair, reverse=True)) for pair in near_pairs(looks)} == expected
    assert len(expected) >= 8


def test_flat_pictures_are_near_to_nothing(clean: Path) -> None:
    for number, level in enumerate((100, 101, 102)):
        Image.new("RGB", (90, 90), (level, level, level + 9)).save(clean / f"train/a/flat{number}.png")
    assert survey_folder(clean).groups == ()


def test_the_difference_hash_is_what_it_says(tmp_path: Path) -> None:
    """Each bit: is the cell brighter than its left neighbour?"""
    levels = np.random.default_rng(0).permutation(72).reshape(8, 9).astype(np.uint8) * 3
    Image.fromarray(levels.repeat(10, 0).repeat(10, 1)).save(tmp_path / "x.png")
    bits = "".join("01"[int(levels[y, x + 1] > levels[y, x])] for y in range(8) for x in range(8))
    assert look_at(tmp_path / "x.png", "x.png").difference_hash == int(bits, 2)


@pytest.mark.parametrize(
    ("counts", "empty", "imbalance"),
    [
        ((5, 5), (), None),
        ((4, 5), (("0", 4),), None),
        ((60, 60, 6), (), 10.0),
        ((100, 100, 9), (("2", 9),), 100 / 9),
        ((100, 11), (), None),
        ((10, 0), (("1", 0),), None),
    ],
)
def test_nearly_empty_classes_and_imbalance(
    counts: tuple[int, ...], empty: tuple[tuple[str, int], ...], imbalance: float | None
) -> None:
    survey = Survey(name="x", classes=tuple(map(str, range(len(counts)))), counts={"train": counts}, kinds={})
    assert survey.nearly_empty == empty
    assert survey.imbalance == imbalance


def test_a_folder_without_splits_is_counted_as_training_divides_it(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for index in range(10):
            photo(100 * number + index).save(tmp_path / "x" / name / f"{index}.png")
    (tmp_path / "x/a/0.png").write_bytes(b"")
    survey, data = survey_folder(tmp_path / "x"), open_data(str(tmp_path / "x"), size=8)
    assert survey.by_seed
    assert survey.counts == {
        split: tuple(np.bincount(part.labels, minlength=2).tolist()) for split, part in data.splits.items()
    }
    assert survey.notes == data.notes
    assert survey.damaged == data.damaged


def test_arrays_have_copies_and_counts_alone() -> None:
    data = open_data("sample")
    survey = survey_arrays(data)
    assert survey.counts == {"train": (600,) * 10, "test": (100,) * 10}
    assert survey.groups == ()
    pixels = data.splits["test"].pixels.copy()
    pixels[3] = data.splits["train"].pixels[5]
    pixels[7] = pixels[17]
    test = replace(data.splits["test"], pixels=pixels)
    found = survey_arrays(replace(data, splits={**data.splits, "test": test}))
    labels = data.splits["train"].labels[5], data.splits["test"].labels[3]
    assert groups(found) == [
        ("pixels", ["train/00005", "test/00003"], True, bool(labels[0] != labels[1])),
        ("pixels", ["test/00007", "test/00017"], False, False),
    ]


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Time stamp and digest of everything below a folder, and of itself."""
    return {
        str(path): (path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_nothing_in_the_folder_changes(clean: Path, tmp_path: Path) -> None:
    (clean / ".hidden").mkdir()
    (clean / ".hidden/.secret.png").write_bytes(b"x")
    (clean / "train/a/.DS_Store").write_bytes(b"x")
    (clean / "train/a/bad.jpg").write_bytes(b"x")
    shutil.copy(clean / "train/a/0.png", clean / "val/a/9.png")
    before = state(clean)
    survey = survey_folder(clean)
    write_csv(tmp_path / "list.csv", ADVICE_HEADER, advise(survey))
    open_data(str(clean), size=8, without=str(tmp_path / "list.csv"))
    assert state(clean) == before
    assert any(".hidden" in note for note in survey.notes)


def test_a_list_is_left_out_of_a_run(clean: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"train/a/=odd \xff\r\n.png")
    (clean / odd).write_bytes(b"")
    shutil.copy(clean / "train/a/0.png", clean / "val/a/9.png")
    shutil.copy(clean / "train/a/1.jpg", clean / "train/b/8.jpg")
    file = tmp_path / "list.csv"
    write_csv(file, ADVICE_HEADER, advise(survey_folder(clean)))
    config = make_config(str(clean), "keras", {"data.leave_out": str(file)})
    data = open_for_run(config, 8)  # one damaged picture in 19 would be too many
    assert data.damaged == ()
    assert not {odd, "train/a/0.png"} & set(data.splits["train"].names)
    assert {"train/a/1.jpg", "train/b/8.jpg"} <= set(data.splits["train"].names)
    assert len(data.splits["train"]) == 6 + 6 + 1 - 1
    assert data.notes == (f"Pictures left out, as {file} says: 2",)
    os.remove(clean / odd)
    assert open_for_run(config, 8).notes == (
        f"Pictures left out, as {file} says: 1; not in the folder are 1 more that it names",
    )


def test_a_name_that_begins_like_a_formula_is_found_again(tmp_path: Path) -> None:
    for name in ("=a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for number in range(6):
            photo(number + 10 * ord(name[-1])).save(tmp_path / "x" / name / f"{number}.png")
    (tmp_path / "x/=a/bad.png").write_bytes(b"")
    write_csv(tmp_path / "list.csv", ADVICE_HEADER, advise(survey_folder(tmp_path / "x")))
    data = open_data(str(tmp_path / "x"), size=8, without=str(tmp_path / "list.csv"))
    assert data.damaged == ()
    assert "says: 1" in data.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no columns"),
        (b"path;advice\nx;leave out\n", "has no columns"),
        (b"path,problem,advice,with\nx,y,leave-out,\n", "Line 2 of .* advises «leave-out»"),
        (b"path,advice\nx\n", "Line 2 of .* advises"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b"path,advice\n" + b"".join(b"val/b/%s,leave out\n" % n for n in (b"0.png", b"1.jpg")), "every val picture"),
    ],
)
def test_a_wrong_list_is_refused(clean: Path, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        open_data(str(clean), size=8, without=str(file))
    assert caught.value.hint


def test_a_list_edited_in_a_spreadsheet_is_read(clean: Path, tmp_path: Path) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [("advice", "path", "mine"), ("leave out", "train/a/0.png", "?"), ("", "train/a/1.jpg", "")]
    )
    file = tmp_path / "list.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    assert len(open_data(str(clean), size=8, without=str(file)).splits["train"]) == 11


def test_a_list_without_a_file_or_a_folder(clean: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        open_data(str(clean), without="nowhere.csv")
    assert "--fix" in caught.value.hint
    with pytest.raises(ConfigError, match="is for a folder"):
        open_data("sample", without="nowhere.csv")
