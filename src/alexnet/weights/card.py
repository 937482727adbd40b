"""What travels with weights: the variant, the preprocessing, the class names, the origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config.strict import read
from ..errors import AlexNetError, WeightsError
from ..spec import NetworkSpec, PictureSpec, find_variant
from .tensors import read_tensors, verify_tensors, write_tensors


@dataclass(frozen=True, kw_only=True)
class Card:
    """Everything that turns tensors into a classifier.

    Args:
        variant: the net's name.
        picture: the preprocessing.
        classes: the name of each class, by index.
        origin: where the weights come from: run, data, versions.
        licence: of the weights, where it is known.
    """

    variant: str
    picture: PictureSpec
    classes: tuple[str, ...]
    origin: dict[str, str] = field(default_factory=dict)
    licence: str = ""

    def network(self) -> NetworkSpec:
        """The net that the tensors belong to."""
        return find_variant(self.variant).resized(
            classes=len(self.classes), channels=self.picture.channels, image_size=self.picture.size
        )


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors with their card; the names are those of the module's state dict."""

    tensors: dict[str, NDArray[Any]]
    card: Card


MEAN_IMAGE = "mean_image"
"""The tensor of a weights file that is the preprocessing's mean picture and not the net's."""


def _to_header(card: Card) -> dict[str, Any]:
    """The card as it stands in a file's header; its mean picture is a tensor of the file."""
    picture = replace(card.picture, mean_window=None, mean_image=None)
    header = asdict(replace(card, picture=picture))
    del header["picture"]["mean_image"]
    return {**header, "picture": {**header["picture"], "mean_window": card.picture.mean_window}}


def _from_header(header: dict[str, Any], mean_image: NDArray[Any] | None) -> Card:
    """A stored card with its mean picture.

    Raises:
        AlexNetError: an unknown key, a wrong type, or a mean picture that is missing or does not fit.
    """
    stored = header.get("picture")
    if not isinstance(stored, dict) or (stored.get("mean_window") is None and mean_image is None):
        return read(Card, header)
    card, window = read(Card, {**header, "picture": {**stored, "mean_window": None}}), stored.get("mean_window")
    if window not in ("crop", "centre") or (mean_image is not None and mean_image.dtype != np.float32):
        raise WeightsError(f"Its mean_window is {window!r}, its mean picture {getattr(mean_image, 'dtype', None)}.")
    return replace(card, picture=replace(card.picture, mean_window=window, mean_image=mean_image))


def write_weights(path: Path, tensors: Mapping[str, NDArray[Any]], card: Card) -> None:
    """Writes a weights file, whole or not at all.

    Raises:
        WeightsError: a tensor holds a value that is not finite.
        StorageError: the disk is full, read-only or failing.
    """
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"«{name}» holds values that are not finite; {path} was not written.")
    image = card.picture.mean_image
    write_tensors(path, {**tensors, **({} if image is None else {MEAN_IMAGE: image})}, _to_header(card))


def find_weights(path: Path) -> Path:
    """The weights file that a person means by a run folder or a file.

    Raises:
        WeightsError: there is none.
    """
    if path.is_dir():
        file = path / "model.safetensors"
        if not file.exists():
            why = "the training has not finished an epoch" if (path / "config.json").exists() else "it is no run folder"
            raise WeightsError(
                f"{path} holds no model.safetensors: {why}.", "Name a run folder, as `train` printed it."
            )
        return file
    if not path.exists():
        raise WeightsError(
            f"There is no run folder or weights file {path}.", "Runs lie under runs/; `ls runs` lists them."
        )
    return path


def verify_weights(path: Path) -> Card:
    """The card of a weights file, every tensor verified and none of them kept.

    Raises:
        WeightsError: as `read_weights`.
    """
    file = find_weights(path)
    tensors, header = verify_tensors(file)
    image = tensors.get(MEAN_IMAGE)
    return _read_card(file, header, None if image is None else np.array(image))


def _read_card(file: Path, header: dict[str, Any], mean_image: NDArray[Any] | None) -> Card:
    try:
        card = _from_header(header, mean_image)
        card.network()
    except AlexNetError as error:
        raise WeightsError(f"The card of {file} cannot be used: {error.message}", error.hint) from error
    return card


def read_weights(path: Path) -> Weights:
    """The weights of a run folder or of a file, every tensor verified.

    Raises:
        WeightsError: nothing is there, it is damaged, or its card cannot be used.
    """
    file = find_weights(path)
    tensors, header = read_tensors(file)
    card = _read_card(file, header, tensors.pop(MEAN_IMAGE, None))
    return Weights(tensors=tensors, card=card)
