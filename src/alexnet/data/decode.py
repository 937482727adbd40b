"""From a file or bytes to upright RGB pixels: the only place that opens pictures.

Training, evaluation, prediction and the browser all come through here, so that a picture means the
same everywhere. The content decides the format, never the file's name.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError
from ..spec import PictureSpec

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
MAX_PIXELS = 50_000_000
"""A picture with more is refused from its header: 50 million pixels are 150 MB decoded."""

_NOT_READ = (
    (b"%!PS", "EPS"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG or XML"),
    (b"ftyphe", "HEIC"),
    (b"ftypmif1", "HEIC"),
    (b"ftypmsf1", "HEIC"),
    (b"ftypavif", "AVIF"),
    (b"%PDF", "PDF"),
)

# What Pillow raises for damaged files, depending on the format.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError)

_ORIENTATION = 0x0112
"""EXIF's tag of how the camera was held."""

Pixels = NDArray[np.uint8]
Source = str | os.PathLike[str] | bytes


class PictureError(DataError):
    """One picture that cannot be used.

    Args:
        reason: what is wrong with it, without its name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}.", "Mend or remove it." if name else "")
        self.reason = reason


def _recognise(head: bytes) -> str:
    if not head:
        return "is empty"
    for mark, name in _NOT_READ:
        if mark in head[:64].lower() or mark in head[:64]:
            return f"is {name}, which is not read; save it as JPEG or PNG"
    return "is not a picture (JPEG, PNG, WebP, BMP, TIFF, GIF or PPM are read)"


def _sixteen_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, or floating point, to 8 bits by scale, where Pillow would clip to white."""
    values = np.asarray(image).astype(np.float64)
    top = 65535.0
    if image.mode == "F":
        top = 1.0 if np.nanmax(values, initial=0.0) <= 1.0 else 255.0
    scaled = np.rint(np.nan_to_num(np.clip(values / top, 0.0, 1.0)) * 255.0)
    if isinstance(image.info.get("transparency"), int):  # a PNG's level that stands for nothing
        scaled[values == image.info["transparency"]] = 255.0
    return Image.fromarray(scaled.astype(np.uint8))


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of 8 bits: 16 bits scaled, alpha laid over white, palettes and CMYK resolved."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _sixteen_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, over)
    return image.convert("RGB")


def _check_pixels(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(name, f"has {width} × {height} pixels, more than {MAX_PIXELS // 10**6} million")


def open_picture(source: Source, name: str | None = None) -> Image.Image:
    """The picture, upright (EXIF applied), RGB of 8 bits, alpha laid over white, the first frame of several.

    Args:
        source: a path, or the file's bytes.
        name: what to call it in an error; the path by default.

    Raises:
        PictureError: it cannot be read, is no picture, is cut short, or has more than 50 million pixels.
    """
    called = name if name is not None else ("the picture" if isinstance(source, bytes) else os.fspath(source))
    content = source if isinstance(source, bytes) else read_file(Path(source), called)
    with _refusals(content, called), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _check_pixels(image, called)
        return ImageOps.exif_transpose(_first_frame(image))


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How a file stores what `open_picture` resolves.

    Args:
        format: Pillow's name of the format; `MPO` is a camera's JPEG with further pictures behind it.
        mode: Pillow's, such as `RGB`, `CMYK`, `P`, `1` or `I;16`.
        deep: more than 8 bits for each channel.
        clear: some of it is transparent.
        frames: an animation, or several pages.
        turned: its EXIF orientation is not the upright one.
    """

    format: str
    mode: str
    deep: bool
    clear: bool
    frames: bool
    turned: bool


def examine_picture(content: bytes, name: str) -> tuple[Image.Image, Stored]:
    """The picture as `open_picture` gives it, and how it was stored.

    Raises:
        PictureError: see `open_picture`.
    """
    with _refusals(content, name), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _check_pixels(image, name)
        deep = image.mode.startswith(("I", "F")) or ";16" in str(image.tile)  # colour of 16 bits is `RGB;16B`
        first = _first_frame(image)
        stored = Stored(
            format=image.format or "",
            mode=image.mode,
            deep=deep,
            clear=_has_clear_parts(image),
            frames=_has_more_frames(image),
            turned=first.getexif().get(_ORIENTATION, 1) in range(2, 9),
        )
        return ImageOps.exif_transpose(first), stored


def read_file(path: Path, name: str) -> bytes:
    """The bytes of a picture's file.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(name, f"cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _refusals(content: bytes, called: str) -> Iterator[None]:
    """Turns what Pillow raises into a `PictureError` that says why."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise PictureError(called, _recognise(content[:64])) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(called, f"has more than {MAX_PIXELS // 10**6} million pixels") from error
    except DAMAGE as error:
        why = str(error) or type(error).__name__
        raise PictureError(called, "is cut short" if "truncated" in why.lower() else f"is damaged ({why})") from error


def _has_clear_parts(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    if image.mode.startswith(("I", "F")):  # Pillow does not convert these with their transparent level
        return True
    return bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)


def _has_more_frames(image: Image.Image) -> bool:
    """True for an animation or several pages; a camera's preview behind its JPEG is neither."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except DAMAGE:  # of a later frame, which is not read
        return True


def _first_frame(image: Image.Image) -> Image.Image:
    """The decoded first frame as RGB, its EXIF kept for the turn that follows."""
    image.load()
    exif = image.getexif()
    rgb = to_rgb(image)
    rgb.info = {"exif": exif.tobytes()} if exif else {}
    return rgb


def upright(image: Image.Image) -> Image.Image:
    """A picture that another library opened, as `open_picture` would give it."""
    _check_pixels(image, "A picture")
    return ImageOps.exif_transpose(_first_frame(image))


def fit(image: Image.Image, size: int, mode: str) -> Image.Image:
    """The picture as a square of `size` pixels, bilinear with antialiasing.

    A `short-side` fit crops the central square before resizing, so that a picture of 1 × 65000 costs no more than
    any other. A square that is small already stays as it is: it is enlarged in the batch.

    Args:
        mode: `short-side` or `stretch`.
    """
    width, height = image.size
    if width == height <= size:
        return image
    if mode == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


DRAFT = 2
"""A large JPEG is decoded at no less than twice the size that it is fitted to; for pictures with the spectrum of
photographs the result is within a grey level of that of the whole picture in the mean (tests/data/test_decode.py)."""


def open_fitted(source: Source, name: str | None, size: int, mode: str) -> Image.Image:
    """The picture fitted to a square; a JPEG that is much larger is decoded at a half, a quarter or an eighth.

    Raises:
        PictureError: see `open_picture`.
    """
    called = name if name is not None else ("the picture" if isinstance(source, bytes) else os.fspath(source))
    content = source if isinstance(source, bytes) else read_file(Path(source), called)
    with _refusals(content, called), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _check_pixels(image, called)
        whole = image.size
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (DRAFT * size, DRAFT * size))
        frame = _first_frame(image)
    if frame.size == whole:
        return fit(ImageOps.exif_transpose(frame), size, mode)
    # The last reduced pixel may stand for fewer whole ones; a square is turned after it is cut out.
    scale = round(whole[0] / frame.width)
    width, height = whole[0] / scale, whole[1] / scale
    side = min(width, height)
    wide, high = (width, height) if mode == "stretch" else (side, side)
    left, top = (width - wide) / 2, (height - high) / 2
    square = frame.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high))
    square.info = frame.info
    return ImageOps.exif_transpose(square)


def to_pixels(image: Image.Image) -> Pixels:
    """`uint8[C, H, W]` of an RGB or grey picture."""
    array = np.asarray(image)
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def read_pixels(source: Source, spec: PictureSpec, name: str | None = None) -> Pixels:
    """`uint8[3, P, P]` of a file, fitted for a net; P is `spec.resize`, or less for small square pictures."""
    return to_pixels(open_fitted(source, name, spec.resize, spec.fit))
