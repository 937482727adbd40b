"""Pictures in memory: a split is a block of bytes with labels and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A picture that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """N pictures of one split.

    Args:
        pixels: `uint8[M, C, P, P]`, often a memory map; M is at least N.
        rows: `int64[N]`: where each picture lies in `pixels`.
        labels: `int64[N]`.
        names: N names; paths for folders, «test/00012» for arrays.
    """

    pixels: Bytes
    rows: Indices
    labels: Indices
    names: Sequence[str]

    def __post_init__(self) -> None:
        assert len(self.rows) == len(self.labels) == len(self.names)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Indices) -> tuple[Bytes, Indices]:
        """`uint8[B, C, P, P]` and `int64[B]` of the pictures at `index`."""
        rows = self.rows[index]
        if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and np.all(np.diff(rows) == 1):
            return self.pixels[int(rows[0]) : int(rows[-1]) + 1], self.labels[index]
        return self.pixels[rows], self.labels[index]

    def take(self, index: Indices) -> PictureSet:
        """The pictures at `index`, in that order; no pixel is copied."""
        return PictureSet(
            pixels=self.pixels,
            rows=self.rows[index],
            labels=self.labels[index],
            names=[self.names[i] for i in index],
        )


def picture_set(pixels: Bytes, labels: NDArray[np.integer], split: str) -> PictureSet:
    """A split from whole arrays, its pictures named «split/number»."""
    return PictureSet(
        pixels=pixels,
        rows=np.arange(len(pixels)),
        labels=labels.astype(np.int64),
        names=[f"{split}/{i:05d}" for i in range(len(pixels))],
    )


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set: named splits of pictures over the same classes.

    Args:
        name: the known name or the folder.
        classes: the name of each class, by index.
        splits: `train` and, where there are any, `val` and `test`.
        damaged: files that could not be read.
        notes: what a person should know: what was ignored, how it was split.
        files: True where the names of the pictures are paths of files.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, PictureSet]
    damaged: tuple[Damaged, ...] = ()
    notes: tuple[str, ...] = ()
    files: bool = False

    def __post_init__(self) -> None:
        for split, pictures in self.splits.items():
            wrong = (pictures.labels < 0) | (pictures.labels >= len(self.classes))
            if wrong.any():
                label, known = pictures.labels[wrong][0], len(self.classes)
                raise DataError(f"«{self.name}» has {split} pictures of class {label}; there are {known} classes.")

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return int(next(iter(self.splits.values())).pixels.shape[1])

    def split(self, *names: str) -> PictureSet:
        """The first of the named splits that exists.

        Raises:
            DataError: none does.
        """
        for name in names:
            if name in self.splits:
                return self.splits[name]
        raise DataError(
            f"«{self.name}» has no {' or '.join(names)} pictures, only {', '.join(self.splits)}.",
            "Add pictures, or a folder val/ beside train/.",
        )


def hold_out(pictures: PictureSet, share: float, rule: str, seed: int) -> tuple[PictureSet, PictureSet]:
    """Sets a share of the pictures aside.

    Args:
        rule: `last` takes the last ones in file order; `random` draws the same share of every class, by seed.

    Returns:
        The pictures that stay and the ones set aside, each in file order.

    Raises:
        DataError: nothing would be left on one side.
    """
    aside = choose_aside(pictures.labels, share, rule, seed)
    return pictures.take(np.setdiff1d(np.arange(len(pictures)), aside)), pictures.take(aside)


def choose_aside(labels: Indices, share: float, rule: str, seed: int) -> Indices:
    """`int64[…]`: which pictures `hold_out` sets aside, in file order.

    Raises:
        DataError: nothing would be left on one side.
    """
    count = len(labels)
    if rule == "last":
        aside = np.arange(count - int(count * share), count)
    else:
        chooser = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x5EED])))
        chosen = []
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            number = min(max(round(len(members) * share), 1 if len(members) > 1 else 0), len(members) - 1)
            chosen.append(chooser.permutation(members)[:number])
        aside = np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
    if not 0 < len(aside) < count:
        raise DataError(f"{count} pictures are too few to set {share:.0%} aside.", "Add pictures.")
    return aside
