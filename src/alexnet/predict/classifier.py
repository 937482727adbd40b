"""From a picture to the most probable classes."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import PictureError, read_pixels, views_of, walk_pictures
from ..errors import ConfigError, DataError
from .runtimes import open_net


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


BATCH_SIZE = 16
"""Pictures of a folder that the net sees at once."""


class Classifier:
    """A trained net with its preprocessing and class names.

    Args:
        path: a run folder or a weights file.
        device: `auto`, `cpu` or `cuda`. Predictions are computed in float32, the same wherever they are asked for.
        runtime: `auto`, `onnx` or `torch`.

    Raises:
        WeightsError: nothing is there, or it is damaged.
    """

    def __init__(self, path: Path, device: str = "auto", runtime: str = "auto") -> None:
        self.card, self.net = open_net(path, device, runtime)

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, by index."""
        return self.card.classes

    def probabilities(self, pictures: Sequence[NDArray[np.uint8]], views: int = 1) -> NDArray[np.float32]:
        """`float32[B, K]` of pictures given as `uint8[C, P, P]`, which may differ in size; the mean over the views."""
        values = np.concatenate([views_of(pixels, self.card.picture, views) for pixels in pictures])
        answers = self.net.probabilities(values)
        return np.asarray(answers.reshape(len(pictures), views, -1).mean(axis=1), np.float32)

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
        """One `Prediction` for each path, in order; a file that cannot be read does not stop the rest.

        Threads read and decode while the net computes.
        """
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            names, waiting = iter(paths), deque[tuple[str, Future[NDArray[np.uint8] | PictureError]]]()
            while True:
                for name in itertools.islice(names, 3 * BATCH_SIZE - len(waiting)):
                    waiting.append((name, pool.submit(self._read, name)))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(BATCH_SIZE, len(waiting)))]
                yield from self._answer([(name, future.result()) for name, future in batch], top)

    def _read(self, path: str) -> NDArray[np.uint8] | PictureError:
        try:
            return read_pixels(path, self.card.picture)
        except PictureError as error:
            return error

    def _answer(self, found: list[tuple[str, NDArray[np.uint8] | PictureError]], top: int) -> Iterator[Prediction]:
        pictures = [pixels for _, pixels in found if not isinstance(pixels, PictureError)]
        rows = iter(self.probabilities(pictures)) if pictures else iter(())
        for path, pixels in found:
            if isinstance(pixels, PictureError):
                yield Prediction(path=path, error=pixels.reason)
            else:
                yield Prediction(path=path, guesses=self.rank(next(rows), top))


def load(path: str | os.PathLike[str], device: str = "auto", runtime: str = "auto") -> Classifier:
    """The classifier in a run folder or a weights file.

    Raises:
        WeightsError: nothing is there, or it is damaged.
    """
    return Classifier(Path(path), device, runtime)


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
