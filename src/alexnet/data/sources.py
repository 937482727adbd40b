"""The known data sets, and how any `DATA` that a person types becomes pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import PHOTOS, RECIPES, RunConfig
from ..errors import ConfigError, DataError, nearest
from .advice import leave_out
from .cifar import open_cifar
from .folder import check_damage, list_folder, open_folder
from .idx import open_mnist, open_sample
from .libraries import open_hf, open_torchvision
from .pack import Progress
from .pictures import DataSet, hold_out


@dataclass(frozen=True, kw_only=True)
class Source:
    """A known data set.

    Args:
        channels, side: of its pictures, in pixels.
        open: from (name, root) to the data set.
        about: one line for people.
    """

    name: str
    about: str
    classes: int
    train: int
    test: int
    channels: int
    side: int
    open: Callable[[str, str | None], DataSet]


_TABLE = (
    Source(
        name="sample",
        about="a tenth of Fashion-MNIST, ships inside the package",
        classes=10,
        train=6_000,
        test=1_000,
        channels=1,
        side=28,
        open=open_sample,
    ),
    Source(
        name="mnist",
        about="handwritten digits (LeCun, Cortes, Burges)",
        classes=10,
        train=60_000,
        test=10_000,
        channels=1,
        side=28,
        open=open_mnist,
    ),
    Source(
        name="fashion-mnist",
        about="clothes (Zalando Research)",
        classes=10,
        train=60_000,
        test=10_000,
        channels=1,
        side=28,
        open=open_mnist,
    ),
    Source(
        name="cifar10",
        about="small photographs, 10 classes (Krizhevsky)",
        classes=10,
        train=50_000,
        test=10_000,
        channels=3,
        side=32,
        open=open_cifar,
    ),
    Source(
        name="cifar100",
        about="small photographs, 100 classes (Krizhevsky)",
        classes=100,
        train=50_000,
        test=10_000,
        channels=3,
        side=32,
        open=open_cifar,
    ),
)
SOURCES: dict[str, Source] = {source.name: source for source in _TABLE}
"""Every data set that has a name of its own."""
LIBRARIES = {"torchvision": open_torchvision, "hf": open_hf}


def is_folder(data: str) -> bool:
    """True where a person means a folder: it exists, or is written like a path."""
    return (
        data not in SOURCES
        and data.partition(":")[0] not in LIBRARIES
        and (Path(data).exists() or os.sep in data or data.startswith((".", "~")))
    )


def default_recipe(data: str) -> RunConfig:
    """What suits a data set where no net is named: `keras` for small grey pictures, `half` for small ones in colour,
    and for a folder or a library's data set our own recipe for photographs.
    """
    source = SOURCES.get(data)
    if source is None:
        return PHOTOS
    return RECIPES["keras" if source.channels == 1 else "half"]


def open_data(
    data: str,
    *,
    root: str | None = None,
    size: int = 256,
    mode: str = "short-side",
    seed: int = 0,
    divide: bool = True,
    without: str | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """The pictures of a known data set, a library's, or a folder.

    Args:
        data: what a person types.
        root: where to look first for the files of a known name.
        size, mode: the square that pictures of files are fitted to (`decode.fit`).
        seed: decides the split of a folder that has none.
        divide: False leaves such a folder whole, as `train`.
        without: a list of `alexnet data --fix`, whose pictures marked for leaving out are not used.
        progress: called with (done, all) while files are decoded.

    Raises:
        DataError: it does not exist, cannot be had, or is no data set.
        ConfigError: there is no such list, or the data is no folder.
    """
    if without is not None and not is_folder(data):
        raise ConfigError(f"data.leave_out is for a folder of pictures; «{data}» is none.", "Leave that setting away.")
    if data in SOURCES:
        return SOURCES[data].open(data, root)
    library, colon, name = data.partition(":")
    if colon and library in LIBRARIES:
        return LIBRARIES[library](name, root, size=size, mode=mode)
    path = find_folder(data)
    listing = list_folder(path)
    if without is not None:
        listing = leave_out(listing, Path(without).expanduser())
    return open_folder(listing, size=size, mode=mode, seed=seed, divide=divide, progress=progress)


def find_folder(data: str) -> Path:
    """The folder that a person means.

    Raises:
        DataError: there is none.
    """
    path = Path(data).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise DataError(f"{data} is a file; expected a folder of class folders.", "Name the folder.")
    if is_folder(data):
        raise DataError(f"There is no folder {data}.", "Check the path.")
    raise DataError(f"There is no data set or folder «{data}».", nearest(data, [*SOURCES, "torchvision:", "hf:"]))


def open_for_run(config: RunConfig, size: int, progress: Progress | None = None) -> DataSet:
    """The data of a run, with its validation pictures set aside where the recipe says so and the data has none.

    Args:
        size: pixels per side that files are fitted to.

    Raises:
        DataError: see `open_data`; or fewer than two classes, or more than one file in a hundred is damaged.
    """
    data = open_data(
        config.data.name,
        root=config.data.root,
        size=size,
        mode=config.picture.fit,
        seed=config.training.seed,
        without=config.data.leave_out,
        progress=progress,
    )
    check_damage(data.damaged, sum(len(pictures) for pictures in data.splits.values()) + len(data.damaged))
    if len(data.classes) < 2:
        raise DataError(f"«{data.name}» has a single class, {data.classes[0]}.", "Add a second class folder.")
    if config.data.holdout == 0 or "val" in data.splits:
        return data
    train, val = hold_out(data.splits["train"], config.data.holdout, config.data.holdout_rule, config.training.seed)
    how = "the last" if config.data.holdout_rule == "last" else "a random"
    note = f"{len(val)} training pictures ({how} {config.data.holdout:.0%}) are held out to choose the best epoch."
    return replace(data, splits={**data.splits, "train": train, "val": val}, notes=(*data.notes, note))
