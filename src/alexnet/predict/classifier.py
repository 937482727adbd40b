"""From a picture to the most probable classes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import PictureError, read_pixels, walk_pictures
from ..errors import ConfigError, DataError, WeightsError
from ..evaluate import probabilities_of
from ..model import AlexNet, Machine, choose_machine
from ..weights import Card, Weights, read_weights


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One answer: the class's name, its index, its probability from 0 to 1."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said about one file: guesses, the most probable first, or why it could not be read."""

    path: str
    guesses: tuple[Guess, ...] = ()
    error: str = ""


def load_net(weights: Weights) -> AlexNet:
    """The net of a weights file, in evaluation mode.

    Raises:
        WeightsError: the tensors do not fit the net that the card names.
    """
    net = AlexNet(weights.card.network())
    try:
        net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"The tensors do not fit «{weights.card.variant}»: {error}") from error
    return net.eval()


class Classifier:
    """A trained net with its preprocessing and class names.

    Args:
        weights: tensors and card.
        device: `auto`, `cpu` or `cuda`. Predictions are computed in float32, the same wherever they are asked for.
    """

    def __init__(self, weights: Weights, device: str = "auto") -> None:
        self.card: Card = weights.card
        self.machine: Machine = choose_machine(device, "fp32")
        self.net: AlexNet = load_net(weights).to(self.machine.device)

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, by index."""
        return self.card.classes

    @torch.no_grad()
    def probabilities(self, pictures: Sequence[NDArray[np.uint8]], views: int = 1) -> NDArray[np.float32]:
        """`float32[B, K]` of pictures given as `uint8[C, P, P]`, which may differ in size."""
        rows = []
        for pixels in pictures:
            batch = torch.from_numpy(pixels)[None].to(self.machine.device)
            rows.append(probabilities_of(self.net, batch, self.card.picture, self.machine, views))
        return torch.cat(rows).cpu().numpy()

    def rank(self, probabilities: NDArray[np.float32], top: int = 5) -> tuple[Guess, ...]:
        """The `top` most probable classes of one row, `float32[K]`; equal ones in the order of their index."""
        order = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Guess(label=self.classes[i], index=int(i), probability=float(probabilities[i])) for i in order)

    def predict(self, picture: str | os.PathLike[str] | bytes, top: int = 5, views: int = 1) -> tuple[Guess, ...]:
        """The most probable classes of one picture.

        Args:
            picture: a path, or a file's bytes.
            top: how many.
            views: 1, or 10 for the mean over corners, centre and their mirror pictures.

        Raises:
            DataError: it cannot be read.
        """
        pixels = read_pixels(picture, self.card.picture)
        return self.rank(self.probabilities([pixels], views)[0], top)

    def predict_files(self, paths: Iterable[str], top: int = 5) -> Iterator[Prediction]:
        """One `Prediction` for each path, in order; a file that cannot be read does not stop the rest."""
        for path in paths:
            try:
                yield Prediction(path=path, guesses=self.predict(path, top))
            except PictureError as error:
                yield Prediction(path=path, error=error.reason)


def load(path: str | os.PathLike[str], device: str = "auto") -> Classifier:
    """The classifier in a run folder or a weights file.

    Raises:
        WeightsError: nothing is there, or it is damaged.
    """
    return Classifier(read_weights(Path(path)), device)


def list_pictures(paths: Iterable[str]) -> list[str]:
    """The files that a person means: files as given, folders as all pictures below them, sorted.

    Raises:
        DataError: a folder holds no pictures.
        ConfigError: nothing is named.
    """
    found: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)  # one that does not exist is reported like one that cannot be read
            continue
        inside = walk_pictures(Path(path)).pictures
        if not inside:
            raise DataError(f"The folder {path} holds no pictures.", "Name another.")
        found += [os.path.join(path, name) for name in inside]
    if not found:
        raise ConfigError("No picture is named.", "Name files or folders after the run.")
    return found
