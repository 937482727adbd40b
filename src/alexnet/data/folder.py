"""A folder of class folders, with train/ and val/ or test/ inside, or without."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError, StorageError
from .pack import Progress, pack_files
from .pictures import Damaged, DataSet, Indices, PictureSet, hold_out

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jfif")
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
HOLDOUT_SHARE = 0.2
"""The share of each class that is held out where a folder has no val/ and no test/."""
MAX_DAMAGED_SHARE = 0.01


@dataclass
class _Found:
    """What a walk through a folder met.

    Args:
        loose: pictures beside the class folders, which belong to no class.
    """

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)


def is_picture_name(name: str) -> bool:
    """True for the endings that pictures have; the content is looked at later."""
    return name.lower().endswith(ENDINGS)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """True for a regular file with a picture's ending: a pipe or a device is never opened."""
    try:
        return is_picture_name(entry.name) and entry.is_file()
    except OSError:  # a link to itself
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.", "Check its permissions.") from error


def walk_pictures(folder: Path, below: Path | None = None) -> _Found:
    """All files below a folder, sorted, as paths below `below`; each real folder once, whatever links point where.

    A link to a folder that holds this one is not followed: it would bring other classes in.
    """
    found = _Found()
    start = os.path.realpath(folder)
    seen: set[str] = set()
    base = below or folder

    def visit(path: Path) -> None:
        real = os.path.realpath(path)
        if real in seen or (real != start and os.path.commonpath([real, start]) == real):
            return
        seen.add(real)
        for entry in _entries(path):
            name = os.path.relpath(entry.path, base)
            if _is_hidden(entry.name):
                found.hidden.append(name)
            elif _is_folder(entry):
                visit(Path(entry.path))
            elif _is_picture(entry):
                found.pictures.append(name)
            else:
                found.others.append(name)

    visit(folder)
    return found


def _subfolders(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if not _is_hidden(entry.name) and _is_folder(entry)]


def _note_beside(folder: Path, root: Path, found: _Found) -> None:
    """Notes what lies beside the class folders and belongs to none."""
    for entry in _entries(folder):
        name = os.path.relpath(entry.path, root)
        if _is_hidden(entry.name):
            found.hidden.append(name)
        elif _is_picture(entry):
            found.loose.append(name)
        elif not _is_folder(entry):
            found.others.append(name)


def _split_folders(folder: Path) -> dict[str, Path]:
    """The train, val and test folders; empty where the folder holds class folders."""
    names = {name.lower(): name for name in _subfolders(folder)}
    found = {
        split: folder / names[spelling]
        for split, spellings in SPLIT_FOLDERS.items()
        for spelling in spellings
        if spelling in names
    }
    return found if "train" in found and any(_subfolders(path) for path in found.values()) else {}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of one split by class, as paths below the data set's folder."""

    paths: list[str]
    labels: list[int]


@dataclass(frozen=True, kw_only=True)
class FolderListing:
    """The picture files of a folder, by split and class, before any is opened.

    Args:
        root: the folder; paths are below it.
        splits: as the folder has them; `train` alone where it has none.
        notes: what was left out.
    """

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Listing]
    notes: tuple[str, ...]


def _list_split(root: Path, folder: Path, classes: list[str], found: _Found) -> Listing:
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        inside = walk_pictures(folder / name, root)
        found.others += inside.others
        found.hidden += inside.hidden
        if not inside.pictures:
            raise DataError(f"The class folder {folder / name} holds no pictures.", "Add some, or remove the folder.")
        paths += inside.pictures
        labels += [label] * len(inside.pictures)
    return Listing(paths=paths, labels=labels)


def _class_names(folders: dict[str, Path]) -> list[str]:
    classes = _subfolders(folders["train"])
    for split, path in folders.items():
        other = _subfolders(path)
        if other != classes:
            differing = sorted(set(other) ^ set(classes))
            raise DataError(
                f"{path} and {folders['train']} hold different classes: {', '.join(differing)}.",
                f"Give {split}/ and train/ the same class folders.",
            )
    return classes


def _explain_missing(folder: Path) -> DataError:
    found = walk_pictures(folder)
    if found.pictures:
        return DataError(
            f"{folder} holds {len(found.pictures)} pictures and no class folders.",
            "Put the pictures of each class into a folder of its own: FOLDER/cats/…, FOLDER/dogs/….",
        )
    return DataError(
        f"{folder} holds no pictures ({', '.join(ENDINGS[:5])} …).",
        "Put the pictures of each class into a folder of its own: FOLDER/cats/…, FOLDER/dogs/….",
    )


def _notes(found: _Found) -> Iterator[str]:
    kinds = (
        (found.loose, "pictures beside the class folders were left out"),
        (found.others, "files that are no pictures by name were left out"),
        (found.hidden, "hidden files or folders were left out"),
    )
    for names, what in kinds:
        if names:
            yield f"{len(names)} {what}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"


def _pack_split(
    root: Path, listing: Listing, size: int, mode: str, progress: Progress | None
) -> tuple[PictureSet, tuple[Damaged, ...]]:
    try:
        packed = pack_files(root, listing.paths, size, mode, progress)
    except StorageError as error:
        if "ALEXNET_CACHE" not in error.hint:
            error.hint = "Set ALEXNET_CACHE to a folder that can be written."
        raise
    pictures = PictureSet(
        pixels=packed.pixels,
        rows=np.arange(len(packed.kept)),
        labels=np.array(listing.labels, np.int64)[packed.kept],
        names=[listing.paths[i] for i in packed.kept],
    )
    return pictures, packed.damaged


def check_damage(damaged: tuple[Damaged, ...], count: int) -> None:
    """Refuses to train where more than one file in a hundred is damaged.

    Raises:
        DataError: too many are; names the first ones.
    """
    if len(damaged) > MAX_DAMAGED_SHARE * count:
        first = "; ".join(f"{item.path} {item.reason}" for item in damaged[:3])
        raise DataError(
            f"{len(damaged)} of {count} pictures are damaged, more than {MAX_DAMAGED_SHARE:.0%}: {first}.",
            "Mend or remove them; `alexnet data FOLDER` names them all.",
        )


def list_folder(path: Path) -> FolderListing:
    """The picture files of a folder of class folders, in order of their names.

    Raises:
        DataError: no class folders, an empty one, or splits with different classes.
    """
    folders = _split_folders(path)
    classes = _class_names(folders) if folders else _subfolders(path)
    if not classes or not any(walk_pictures(path / name).pictures for name in _subfolders(path)):
        raise _explain_missing(path)
    found = _Found()
    for folder in (path, *folders.values()):
        _note_beside(folder, path, found)
    splits = {
        split: _list_split(path, folder, classes, found) for split, folder in (folders or {"train": path}).items()
    }
    return FolderListing(root=path, classes=tuple(classes), splits=splits, notes=tuple(_notes(found)))


def is_divided_by_seed(labels: Mapping[str, Indices]) -> bool:
    """True where a folder has training pictures alone, and enough of them to hold some out."""
    return set(labels) == {"train"} and bool(np.bincount(labels["train"]).max(initial=0) > 1)


def division_note(seed: int) -> str:
    """What is said where pictures are held out because a folder has no split."""
    return f"No val/ or test/ folder: {HOLDOUT_SHARE:.0%} of each class are held out, by seed {seed}."


def open_folder(
    listing: FolderListing, *, size: int, mode: str, seed: int, divide: bool = True, progress: Progress | None = None
) -> DataSet:
    """The data set in a folder, decoded into the packed cache.

    Args:
        size, mode: the square that pictures are fitted to (`decode.fit`).
        seed: decides the split where the folder has none.
        divide: False leaves all pictures of such a folder together, as `train`.
    """
    splits: dict[str, PictureSet] = {}
    damaged: tuple[Damaged, ...] = ()
    for split, files in listing.splits.items():
        splits[split], bad = _pack_split(listing.root, files, size, mode, progress)
        damaged += bad
    notes = listing.notes
    if divide and is_divided_by_seed({split: pictures.labels for split, pictures in splits.items()}):
        splits["train"], splits["val"] = hold_out(splits["train"], HOLDOUT_SHARE, "random", seed)
        notes += (division_note(seed),)
    return DataSet(
        name=str(listing.root), classes=listing.classes, splits=splits, damaged=damaged, notes=notes, files=True
    )
