"""The IDX files of MNIST and Fashion-MNIST, and the sample that ships inside the package."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .locate import RemoteFile, obtain
from .pictures import DataSet, picture_set

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_FILES = {
    "mnist": (
        (_MNIST, "train-images-idx3-ubyte.gz", "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64"),
        (_MNIST, "train-labels-idx1-ubyte.gz", "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e"),
        (_MNIST, "t10k-images-idx3-ubyte.gz", "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341"),
        (_MNIST, "t10k-labels-idx1-ubyte.gz", "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6"),
    ),
    "fashion-mnist": (
        (_FASHION, "train-images-idx3-ubyte.gz", "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
        (_FASHION, "train-labels-idx1-ubyte.gz", "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
        (_FASHION, "t10k-images-idx3-ubyte.gz", "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
        (_FASHION, "t10k-labels-idx1-ubyte.gz", "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
    ),
}
SAMPLE_FOLDER = Path(__file__).parent / "sample"
MAX_BYTES = 1_000_000_000


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            content: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Remove it; it is fetched again.") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} holds more than {MAX_BYTES // 10**6} MB, which is no data set of this kind.")
    return content


def read_idx(path: Path) -> NDArray[Any]:
    """The array of an IDX file of bytes, compressed or not.

    The header is two zeros, the type (8: unsigned byte), the number of sides, and each side as a big-endian
    32-bit number; then the bytes follow.

    Raises:
        DataError: the header or the length is wrong; says what was expected and found.
    """
    content = _content(path)
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise DataError(f"{path} is no IDX file of bytes: it starts with {content[:4].hex(' ') or 'nothing'}.")
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if len(content) < start or math.prod(shape) != len(content) - start:
        raise DataError(
            f"{path} promises {' × '.join(map(str, shape))} bytes and holds {max(len(content) - start, 0)}.",
            "Remove it; it is fetched again.",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _split(images_path: Path, labels_path: Path, num_classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    fits = images.ndim == 3 and labels.ndim == 1 and len(images) == len(labels) > 0
    if not fits or images.shape[1] != images.shape[2] or images.shape[1] == 0:
        raise DataError(
            f"{images_path} holds an array of {images.shape} and {labels_path} one of {labels.shape};"
            " expected N square pictures and N labels."
        )
    if labels.max() >= num_classes:
        raise DataError(f"{labels_path} holds the label {labels.max()}; there are {num_classes} classes.")
    return images[:, None], labels


def read_pairs(name: str, classes: tuple[str, ...], paths: list[Path], notes: tuple[str, ...] = ()) -> DataSet:
    """A data set from four IDX files: training pictures and labels, test pictures and labels."""
    train, test = _split(paths[0], paths[1], len(classes)), _split(paths[2], paths[3], len(classes))
    splits = {"train": picture_set(*train, "train"), "test": picture_set(*test, "test")}
    return DataSet(name=name, classes=classes, splits=splits, notes=notes)


def open_mnist(name: str, root: str | None) -> DataSet:
    """MNIST or Fashion-MNIST from the published files; Debian keeps the latter under /usr/share/datasets."""
    files = [RemoteFile(name=file, url=base + file, sha256=digest) for base, file, digest in _FILES[name]]
    paths = [obtain(name, file, root) for file in files]
    return read_pairs(name, FASHION_CLASSES if name == "fashion-mnist" else MNIST_CLASSES, paths)


def open_sample(name: str, root: str | None) -> DataSet:
    """6,000 + 1,000 pictures of Fashion-MNIST, inside the package."""
    paths = [
        SAMPLE_FOLDER / f"{part}.gz"
        for part in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
    ]
    note = (
        "The first 600 + 100 pictures of each class of Fashion-MNIST (Zalando Research, MIT licence), classes in turn."
    )
    return read_pairs("sample", FASHION_CLASSES, paths, (note,))
