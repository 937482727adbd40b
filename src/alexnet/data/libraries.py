"""Data sets of other libraries: `torchvision:NAME` and `hf:NAME`, where those libraries are installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DataError, nearest
from ..runs import cache_folder
from .decode import fit, to_pixels, upright
from .pictures import DataSet, PictureSet, picture_set

_HF_SPLITS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
_TORCHVISION_SPLITS = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}


def _square(picture: object, split: str, size: int, mode: str) -> Image.Image:
    if not isinstance(picture, Image.Image):
        raise DataError(f"The {split} pictures are of type {type(picture).__name__}; expected Pillow pictures.")
    turned = upright(picture)
    return fit(turned.convert("L") if picture.mode == "L" else turned, size, mode)


def _stack(items: Iterable[tuple[Any, int]], split: str, size: int, mode: str) -> PictureSet:
    """Pictures of a library as one block; grey ones stay grey, and small squares of one size stay small."""
    squares: list[Image.Image] = []
    labels: list[int] = []
    try:
        for picture, label in items:
            squares.append(_square(picture, split, size, mode))
            labels.append(int(label))
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DataError(
            f"The {split} picture number {len(squares)} cannot be had: {str(error) or type(error).__name__}.",
            "Expected pairs of a picture and a class.",
        ) from error
    if not squares:
        raise DataError(f"The {split} split is empty.")
    sides = {square.width for square in squares}
    side = sides.pop() if len(sides) == 1 else size
    if len({square.mode for square in squares}) > 1:
        squares = [square.convert("RGB") for square in squares]
    whole = [square if square.width == side else square.resize((side, side)) for square in squares]
    return picture_set(np.stack([to_pixels(square) for square in whole]), np.array(labels), split)


def _torchvision_splits(make: Callable[..., Any]) -> list[tuple[str, dict[str, Any]]]:
    """The arguments that make each split: libraries spell it `train=True` or `split="train"`."""
    parameters = inspect.signature(make).parameters
    if "train" in parameters:
        return [("train", {"train": True}), ("test", {"train": False})]
    if "split" in parameters:
        return [(ours, {"split": theirs}) for ours, spellings in _TORCHVISION_SPLITS.items() for theirs in spellings]
    return [("train", {})]


def _torchvision_class_names(made: Any, pictures: PictureSet) -> tuple[str, ...]:
    names = getattr(made, "classes", None)
    count = int(pictures.labels.max()) + 1
    if not names:
        return tuple(str(number) for number in range(count))
    return tuple(str(name[0] if isinstance(name, tuple) else name) for name in names)  # synonyms: the first


def open_torchvision(name: str, root: str | None, *, size: int, mode: str) -> DataSet:
    """A data set of `torchvision.datasets`, downloaded by it where it can be.

    Raises:
        DataError: torchvision is not installed, has no such data set, or cannot get it.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError("torchvision is not installed.", "Install it: pip install torchvision.") from error
    known = [item for item in datasets.__all__ if inspect.isclass(getattr(datasets, item))]
    if name not in known:
        raise DataError(f"torchvision has no data set «{name}».", nearest(name, known))
    make = getattr(datasets, name)
    place = root or str(cache_folder() / "torchvision")
    splits: dict[str, PictureSet] = {}
    classes: tuple[str, ...] = ()
    for split, arguments in _torchvision_splits(make):
        try:
            made = _make(make, place, arguments)
        except (OSError, RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            if split != "train" and isinstance(error, ValueError):
                continue  # torchvision's word for a split that this data set does not have
            raise DataError(
                f"torchvision cannot get {name} ({split}): {str(error) or type(error).__name__}.",
                f"Put its files where torchvision looks, below {place}.",
            ) from error
        splits[split] = _stack(made, split, size, mode)
        classes = classes or _torchvision_class_names(made, splits[split])
    return DataSet(name=f"torchvision:{name}", classes=classes, splits=splits)


def _make(make: Callable[..., Any], place: str, arguments: dict[str, Any]) -> Any:
    download = {"download": True} if "download" in inspect.signature(make).parameters else {}
    return make(root=place, **arguments, **download)


def _hf_columns(features: Mapping[str, Any]) -> tuple[str, str]:
    """The names of the picture and the label column."""
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    pictures = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    if not pictures or not labels:
        raise DataError(f"The data set has the columns {kinds}; expected a picture and a class label.")
    return pictures[0], labels[0]


def open_hf(name: str, root: str | None, *, size: int, mode: str) -> DataSet:
    """A data set of the Hugging Face hub, or a local folder of its files, through the `datasets` library.

    Raises:
        DataError: `datasets` is not installed, or it cannot get the data set.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError("The library «datasets» is not installed.", "Install it: pip install datasets.") from error
    try:
        loaded = datasets.load_dataset(name, cache_dir=root)
    except Exception as error:  # the library raises errors of many kinds, its own and its parts'
        raise DataError(f"The library «datasets» cannot get {name}: {error}.") from error
    features = next(iter(loaded.values())).features
    picture, label = _hf_columns(features)
    splits = {
        _HF_SPLITS[split]: _stack(((row[picture], row[label]) for row in rows), split, size, mode)
        for split, rows in loaded.items()
        if split in _HF_SPLITS
    }
    if "train" not in splits:
        raise DataError(f"{name} has the splits {', '.join(loaded)}; expected train.")
    return DataSet(name=f"hf:{name}", classes=tuple(features[label].names), splits=splits)
