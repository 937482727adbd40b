"""One look at a picture's file: what it is, how it is stored, and by what its copies are found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from .decode import PictureError, Stored, examine_picture, read_file

SMALL_SIDE = 64
"""Pixels; a picture with a shorter side is called small."""
LONG_RATIO = 4
FLAT_LEVELS = 5.0
"""Grey levels of 255: a thumbnail that varies less (standard deviation) is flat, and its hash says nothing."""
_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is kept of a picture; some hundred bytes, whatever its size.

    Args:
        width, height: upright, in pixels.
        kinds: keys of `survey.KINDS`.
        other_format: its format, where the name's ending is another's; else empty.
        file, pixels: digests of the file and of the upright RGB pixels.
        thumb: `uint8[8, 9, 3]`.
        difference_hash: 64 bits: which cells of the grey thumbnail are brighter than their left neighbour.
        flat: the thumbnail hardly varies.
    """

    path: str
    width: int
    height: int
    kinds: tuple[str, ...]
    other_format: str
    file: bytes
    pixels: bytes
    thumb: NDArray[np.uint8]
    difference_hash: int
    flat: bool


def digest(*parts: bytes) -> bytes:
    """16 bytes that two different contents do not share."""
    maker = hashlib.blake2b(digest_size=16)
    for part in parts:
        maker.update(part)
    return maker.digest()


def _is_grey(image: Image.Image, thumb: NDArray[np.uint8]) -> bool:
    """True where red, green and blue are equal everywhere; the thumbnail decides most pictures."""
    if np.ptp(thumb.astype(np.int16), axis=-1).max() > 1:
        return False
    red, green, blue = image.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox())


def _kinds(image: Image.Image, stored: Stored, grey: bool) -> tuple[str, ...]:
    width, height = image.size
    met = {
        "grey": grey,
        "cmyk": stored.mode == "CMYK",
        "palette": stored.mode in ("P", "PA") and stored.format != "GIF",  # every GIF has one
        "transparent": stored.clear,
        "deep": stored.deep,
        "one_bit": stored.mode == "1",
        "frames": stored.frames,
        "turned": stored.turned,
        "small": min(width, height) < SMALL_SIDE,
        "long": max(width, height) > LONG_RATIO * min(width, height),
    }
    return tuple(kind for kind, is_met in met.items() if is_met)


def look_at(file: Path, path: str) -> Look:
    """Decodes a picture as training does, and keeps its facts.

    Args:
        path: what to call it.

    Raises:
        PictureError: it is damaged.
    """
    content = read_file(file, path)
    image, stored = examine_picture(content, path)
    thumb = np.asarray(image.resize((9, 8), Image.Resampling.BOX))
    grey = thumb.astype(np.int64) @ (299, 587, 114)  # thousandths of a level, ITU-R BT.601
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    fitting = any(path.lower().endswith(ending) for ending in _FORMATS[stored.format])
    return Look(
        path=path,
        width=image.width,
        height=image.height,
        kinds=_kinds(image, stored, _is_grey(image, thumb)),
        other_format="" if fitting else stored.format.replace("MPO", "JPEG"),
        file=digest(content),
        pixels=digest(repr(image.size).encode(), image.tobytes()),
        thumb=thumb,
        difference_hash=int.from_bytes(bits.tobytes(), "big"),
        flat=float(grey.std()) < FLAT_LEVELS * 1000,
    )


def try_to_look(file: Path, path: str) -> Look | PictureError:
    """`look_at`, with the damage as an answer."""
    try:
        return look_at(file, path)
    except PictureError as error:
        return error
