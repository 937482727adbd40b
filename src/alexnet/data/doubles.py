"""Copies of pictures: the same file, the same pixels, or nearly the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .look import Look

MAX_BITS = 2
"""Near-duplicates differ in no more bits of their difference hashes."""
MAX_LEVELS = 4.0
"""… and in no more levels of 255, on average over their thumbnails. Saved again at quality 20 to 90, 200 photographs
of flowers moved by at most 3.0; the nearest of the other pairs with such hashes, among 20,000 of CIFAR-10, by 7.2."""
_KEEPING = ("test", "val", "train")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One picture of a group."""

    path: str
    split: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures that are the same, or nearly.

    Args:
        same: `file`: every byte; `pixels`: every pixel, once decoded; `near`: they look alike.
        copies: in the order of the data set.
    """

    same: Literal["file", "pixels", "near"]
    copies: tuple[Copy, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it lies in, in the order of the data set."""
        return tuple(dict.fromkeys(copy.split for copy in self.copies))

    @property
    def is_leak(self) -> bool:
        """True where it lies in several splits: what was learned by heart is measured."""
        return len(self.splits) > 1

    @property
    def is_contradiction(self) -> bool:
        """True where it lies in several classes."""
        return len({copy.label for copy in self.copies}) > 1

    @property
    def kept(self) -> Copy:
        """The copy to keep: of test before val before train, and of these the first."""
        return min(self.copies, key=lambda copy: _KEEPING.index(copy.split))

    @property
    def others(self) -> tuple[Copy, ...]:
        """All but the one to keep."""
        kept = self.kept
        return tuple(copy for copy in self.copies if copy is not kept)


def find_same(copies: Sequence[Copy], pixels: Iterable[bytes], files: Iterable[bytes] | None = None) -> list[Group]:
    """Groups of at least two pictures with the same pixels, in the order of their first copies.

    Args:
        pixels, files: N digests each; without files, no group is one of files.
    """
    members: dict[bytes, list[int]] = {}
    for index, key in enumerate(pixels):
        members.setdefault(key, []).append(index)
    contents = list(files or ())
    groups = []
    for indices in members.values():
        if len(indices) > 1:
            is_file = bool(contents) and len({contents[i] for i in indices}) == 1
            groups.append(Group(same="file" if is_file else "pixels", copies=tuple(copies[i] for i in indices)))
    return groups


def near_pairs(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """The pairs that differ in few bits of their hashes and few levels of their thumbnails; flat ones have none.

    Pictures are sorted by mean level. Means lie no further apart than thumbnails do, so that each is compared
    with the few that follow it.
    """
    picked = [i for i, look in enumerate(looks) if not look.flat]
    if len(picked) < 2:
        return []
    thumbs = np.stack([looks[i].thumb.reshape(-1) for i in picked])
    means = thumbs.mean(axis=1)
    order = np.argsort(means, kind="stable")
    thumbs, means, places = thumbs[order], means[order], np.array(picked)[order]
    hashes = np.array([looks[i].difference_hash for i in places], np.uint64)
    ends = np.searchsorted(means, means + MAX_LEVELS, side="right")
    pairs = []
    for here, end in enumerate(ends):
        alike = np.flatnonzero(np.bitwise_count(hashes[here + 1 : end] ^ hashes[here]) <= MAX_BITS) + here + 1
        for there in alike:
            levels = np.abs(thumbs[here].astype(np.int16) - thumbs[there]).mean()
            if levels <= MAX_LEVELS:
                pairs.append((int(places[here]), int(places[there])))
    return pairs


def _join(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The sets that pairs connect, each sorted, in the order of their first members."""
    sets: dict[int, set[int]] = {}
    for first, second in pairs:
        joined = sets.get(first, {first}) | sets.get(second, {second})
        for member in joined:
            sets[member] = joined
    return sorted(sorted(members) for members in {id(members): members for members in sets.values()}.values())


def find_groups(copies: Sequence[Copy], looks: Sequence[Look]) -> tuple[Group, ...]:
    """Copies of files and pixels, and near-duplicates among what stays when of each group one is kept."""
    exact = find_same(copies, (look.pixels for look in looks), [look.file for look in looks])
    gone = {copy.path for group in exact for copy in group.others}
    staying = [i for i, copy in enumerate(copies) if copy.path not in gone]
    near = _join(near_pairs([looks[i] for i in staying]))
    return (
        *exact,
        *(Group(same="near", copies=tuple(copies[staying[i]] for i in members)) for members in near),
    )
