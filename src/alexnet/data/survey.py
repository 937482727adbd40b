"""What a data set holds and what is odd about it; nothing is written and nothing changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .decode import PictureError
from .doubles import Copy, Group, find_groups, find_same
from .folder import HOLDOUT_SHARE, Listing, division_note, is_divided_by_seed, list_folder
from .look import Look, digest, try_to_look
from .pack import CHUNK, Progress
from .pictures import Damaged, DataSet, choose_aside

KINDS = {
    "small": "have a side of less than 64 pixels",
    "long": "are more than 4 times as long as wide",
    "turned": "are turned upright by their EXIF orientation",
    "grey": "are grey among colour",
    "colour": "are in colour among grey",
    "cmyk": "are in CMYK",
    "palette": "have a palette",
    "transparent": "have transparent parts, read as white",
    "deep": "have more than 8 bits for each channel",
    "one_bit": "have 1 bit for each pixel",
    "frames": "have several frames or pages, of which the first is read",
}
"""What may be odd about a picture that can be read, in words."""
FEW_PICTURES = 5
FEW_SHARE = 0.1
"""A class with fewer training pictures, or a smaller share of the median class's, is nearly empty."""
IMBALANCE = 10


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """(width, height) of the smallest, the middle and the largest picture by number of pixels."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A data set as it was found.

    Args:
        counts: for each split, as a training has them, the sound pictures of each class.
        damaged: files that cannot be read.
        notes: what was left out by name, and how pictures are held out.
        by_seed: the folder has no split, so that validation pictures are held out by seed.
        sizes: None where no picture can be read.
        kinds: names of pictures for each of `KINDS` that was met.
        other_formats: (name, format) of files whose ending says another.
        groups: copies, in one split or several.
    """

    name: str
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    damaged: tuple[Damaged, ...] = ()
    notes: tuple[str, ...] = ()
    by_seed: bool = False
    sizes: Sizes | None = None
    kinds: dict[str, tuple[str, ...]]
    other_formats: tuple[tuple[str, str], ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def nearly_empty(self) -> tuple[tuple[str, int], ...]:
        """(class, training pictures) of the classes with fewer than 5, or than a tenth of the median class."""
        train = self.counts["train"]
        limit = max(FEW_PICTURES, FEW_SHARE * float(np.median(train)))
        return tuple((name, count) for name, count in zip(self.classes, train, strict=True) if count < limit)

    @property
    def imbalance(self) -> float | None:
        """How many times the smallest class's training pictures the largest has; None below 10, or with no smallest."""
        train = self.counts["train"]
        ratio = max(train) / min(train) if min(train) else 0.0
        return ratio if ratio >= IMBALANCE else None


def _look_at_all(root: Path, paths: list[str], progress: Progress | None) -> tuple[list[Look], list[Damaged]]:
    """Decodes in threads, in order; no more pictures than threads are in memory at a time."""
    looks: list[Look] = []
    damaged: list[Damaged] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            for path, look in zip(chunk, pool.map(lambda name: try_to_look(root / name, name), chunk), strict=True):
                if isinstance(look, PictureError):
                    damaged.append(Damaged(path=path, reason=look.reason))
                else:
                    looks.append(look)
            if progress is not None:
                progress(start + len(chunk), len(paths))
    return looks, damaged


def _sizes(looks: list[Look]) -> Sizes | None:
    sides = sorted(((look.width, look.height) for look in looks), key=lambda side: (side[0] * side[1], side))
    return Sizes(smallest=sides[0], median=sides[len(sides) // 2], largest=sides[-1]) if sides else None


def _kinds(looks: list[Look]) -> dict[str, tuple[str, ...]]:
    found = {kind: [look.path for look in looks if kind in look.kinds] for kind in KINDS}
    num_grey = len(found["grey"])
    if 2 * num_grey > len(looks):
        found["colour"] = [look.path for look in looks if "grey" not in look.kinds]
        found["grey"] = []
    return {kind: tuple(paths) for kind, paths in found.items() if paths}


def _counts(splits: dict[str, list[int]], num_classes: int, seed: int) -> tuple[dict[str, tuple[int, ...]], bool]:
    """Pictures of each class in each split, and whether the seed draws the validation pictures."""
    labels = {split: np.array(numbers, np.int64) for split, numbers in splits.items()}
    by_seed = is_divided_by_seed(labels)
    if by_seed:
        whole = labels["train"]
        aside = choose_aside(whole, HOLDOUT_SHARE, "random", seed)
        labels = {"train": np.delete(whole, aside), "val": whole[aside]}
    counted = {split: np.bincount(numbers, minlength=num_classes).tolist() for split, numbers in labels.items()}
    return {split: tuple(numbers) for split, numbers in counted.items()}, by_seed


def _copies(splits: dict[str, Listing], paths: set[str]) -> list[Copy]:
    return [
        Copy(path=path, split=split, label=label)
        for split, listing in splits.items()
        for path, label in zip(listing.paths, listing.labels, strict=True)
        if path in paths
    ]


def survey_folder(path: Path, *, seed: int = 0, progress: Progress | None = None) -> Survey:
    """Decodes every picture of a folder of class folders, however many are damaged.

    Args:
        seed: decides the split where the folder has none.

    Raises:
        DataError: no class folders, an empty one, or splits with different classes.
    """
    listing = list_folder(path)
    looks, damaged = _look_at_all(path, [name for split in listing.splits.values() for name in split.paths], progress)
    copies = _copies(listing.splits, {look.path for look in looks})
    labels = {split: [copy.label for copy in copies if copy.split == split] for split in listing.splits}
    counts, by_seed = _counts(labels, len(listing.classes), seed)
    return Survey(
        name=str(path),
        classes=listing.classes,
        counts=counts,
        damaged=tuple(damaged),
        notes=(*listing.notes, division_note(seed)) if by_seed else listing.notes,
        by_seed=by_seed,
        sizes=_sizes(looks),
        kinds=_kinds(looks),
        other_formats=tuple((look.path, look.other_format) for look in looks if look.other_format),
        groups=find_groups(copies, looks),
    )


def survey_arrays(data: DataSet) -> Survey:
    """Counts and copies of a data set that is in memory; what is said of files does not apply."""
    copies: list[Copy] = []
    digests: list[bytes] = []
    for split, pictures in data.splits.items():
        for index, (name, label) in enumerate(zip(pictures.names, pictures.labels, strict=True)):
            copies.append(Copy(path=name, split=split, label=int(label)))
            digests.append(digest(pictures.pixels[pictures.rows[index]].tobytes()))
    side = data.split("train").pixels.shape[-1]
    counts = {
        split: tuple(np.bincount(pictures.labels, minlength=len(data.classes)).tolist())
        for split, pictures in data.splits.items()
    }
    return Survey(
        name=data.name,
        classes=data.classes,
        counts=counts,
        damaged=data.damaged,
        notes=data.notes,
        sizes=Sizes(smallest=(side, side), median=(side, side), largest=(side, side)),
        kinds={},
        groups=tuple(find_same(copies, digests)),
    )
