"""From one picture's bytes to what the net sees, in NumPy alone: the same as `views.centre_view` and `views.ten_views`.

A prediction needs no torch for it; tests hold the two equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..spec import PictureSpec
from .pictures import Bytes

Values = NDArray[np.float32]


HALF = 0.5 + 2e-4
"""Rounds to whole levels; a sum that is half a level but for float32's last bits is rounded up, whoever adds it."""


def check_ten_views(spec: PictureSpec) -> None:
    """Refuses ten views of pictures that are no larger than what the net sees: all five crops would be one.

    Raises:
        ConfigError: there is no margin.
    """
    if spec.resize == spec.size:
        raise ConfigError(
            f"Ten views need pictures larger than the {spec.size} pixels that the net sees.",
            "Train with a larger --set picture.resize, or evaluate with --views 1.",
        )


def _to_channels(pixels: Bytes, channels: int) -> Bytes:
    """Grey repeated to RGB, or RGB to ITU-R 601 luminance rounded as Pillow does."""
    if len(pixels) == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=0)
    red, green, blue = pixels.astype(np.int32)
    return np.asarray((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16, np.uint8)[None]


def _weights(side: int, size: int) -> Values:
    """`float32[size, side]`: Pillow's antialiased triangle filter, as in `views.resize_weights`."""
    scale = np.float32(side / size)
    support = max(scale, np.float32(1))
    centre = (np.arange(size, dtype=np.float32)[:, None] + np.float32(0.5)) * scale
    pixel = np.arange(side, dtype=np.float32)[None] + np.float32(0.5)
    weights = np.maximum(1 - np.abs((pixel - centre) / support), 0)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _resize(pixels: Bytes, size: int) -> Values:
    """`float32[C, size, size]`, rounded to whole grey levels."""
    side = pixels.shape[-1]
    if side == size:
        return pixels.astype(np.float32)
    weights = _weights(side, size)
    return np.floor(weights @ (pixels.astype(np.float32) @ weights.T) + np.float32(HALF))


def _window(values: Values, top: int, left: int, size: int) -> Values:
    return values[:, top : top + size, left : left + size]


def _to_values(levels: Values, mean: Values, spec: PictureSpec) -> Values:
    std = np.array(spec.std, np.float32)[:, None, None]
    return (levels * np.float32(spec.scale) - mean) / std


def views_of(pixels: Bytes, spec: PictureSpec, views: int = 1) -> Values:
    """`float32[V, C, S, S]`: the central view; or four corners and the centre, then the five mirrored.

    Args:
        pixels: `uint8[C, P, P]`.
        views: 1 or 10.

    Raises:
        ConfigError: ten views of pictures that are no larger than the net's input.
    """
    levels = _resize(_to_channels(pixels, spec.channels), spec.resize)
    margin, middle = spec.resize - spec.size, (spec.resize - spec.size) // 2
    whole = spec.mean_image
    if whole is None:
        mean = np.array(spec.mean, np.float32)[:, None, None]
    else:
        mean = _window(whole, middle, middle, spec.size)
    if views == 1:
        return _to_values(_window(levels, middle, middle, spec.size), mean, spec)[None]
    check_ten_views(spec)
    found = []
    for flip in (False, True):
        for top, left in ((0, 0), (0, margin), (middle, middle), (margin, 0), (margin, margin)):
            level, own = _window(levels, top, left, spec.size), mean
            if whole is not None and spec.mean_window == "crop":
                own = _window(whole, top, left, spec.size)
                own = own[..., ::-1] if flip else own
            found.append(_to_values(level[..., ::-1] if flip else level, own, spec))
    return np.stack(found)
