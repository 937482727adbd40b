"""From a batch of bytes to what the net sees: resizing, crops, flips and values, all pictures at once.

Resizing is linear algebra: each output row is a weighted sum of input rows, and likewise each column, so a
batch is two batched matrix products. The weights are those of Pillow's antialiased bilinear filter.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import AugmentConfig
from ..errors import ConfigError
from ..spec import PictureSpec
from .order import draw
from .pictures import Indices

CROP, FLIP = 1, 2
"""The purposes of the draws; see `order.draw`."""
TEN_VIEWS = tuple((corner, flip) for flip in (False, True) for corner in ("tl", "tr", "centre", "bl", "br"))


def to_channels(pixels: Tensor, channels: int) -> Tensor:
    """`uint8[B, channels, P, P]`: grey repeated to RGB, or RGB to ITU-R 601 luminance rounded as Pillow does."""
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(-1, 3, -1, -1)
    red, green, blue = pixels.to(torch.int32).unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def resize_weights(start: Tensor, length: Tensor, size_in: int, size_out: int) -> Tensor:
    """The weights of an antialiased bilinear resize of a part of a line.

    Args:
        start, length: `float[B]` in pixels: the part that is resized; nothing outside of it is read.
        size_in, size_out: pixels of the line and of the result.

    Returns:
        `float32[B, size_out, size_in]`, each row summing to 1.

    Source: the triangle filter of Pillow's `Resample.c`: support 1 pixel, or `scale` when shrinking.
    """
    scale = (length / size_out)[:, None, None]
    support = scale.clamp(min=1.0)
    left, width = start[:, None, None], length[:, None, None]
    out = torch.arange(size_out, device=start.device, dtype=start.dtype)[None, :, None]
    pixel = torch.arange(size_in, device=start.device, dtype=start.dtype)[None, None, :]
    centre = left + (out + 0.5) * scale
    weights = (1 - ((pixel + 0.5 - centre) / support).abs()).clamp(min=0)
    inside = (pixel + 1 > left) & (pixel < left + width)
    weights = weights * inside
    return (weights / weights.sum(-1, keepdim=True)).float()


def _resample(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """`float32[B, C, S, S]` from `uint8[B, C, P, P]` and weights `[B or 1, S, P]` for rows and columns."""
    values = torch.matmul(pixels.float(), columns.transpose(-1, -2)[:, None])
    return torch.matmul(rows[:, None], values)


def resize(pixels: Tensor, size: int) -> Tensor:
    """`float32[B, C, size, size]`: the whole picture, rounded to whole grey levels as Pillow does."""
    side = pixels.shape[-1]
    if side == size:
        return pixels.float()
    whole = torch.tensor([0.0], device=pixels.device), torch.tensor([float(side)], device=pixels.device)
    weights = resize_weights(*whole, side, size)
    return _resample(pixels, weights, weights).add_(0.5).floor_()


def to_values(levels: Tensor, spec: PictureSpec) -> Tensor:
    """(level * scale - mean) / std for each channel."""
    mean = torch.tensor(spec.mean, device=levels.device)[:, None, None]
    std = torch.tensor(spec.std, device=levels.device)[:, None, None]
    return (levels * spec.scale - mean) / std


def centre_view(pixels: Tensor, spec: PictureSpec) -> Tensor:
    """`float32[B, C, S, S]`: resized, central crop, values. What evaluation and prediction see."""
    levels = resize(to_channels(pixels, spec.channels), spec.resize)
    start = (spec.resize - spec.size) // 2
    return to_values(levels[..., start : start + spec.size, start : start + spec.size], spec)


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


def ten_views(pixels: Tensor, spec: PictureSpec) -> Tensor:
    """`float32[10, B, C, S, S]`: four corners and the centre, then the five mirrored (paper, section 4.1).

    Raises:
        ConfigError: see `check_ten_views`.
    """
    check_ten_views(spec)
    margin = spec.resize - spec.size
    levels = resize(to_channels(pixels, spec.channels), spec.resize)
    places = {
        "tl": (0, 0),
        "tr": (0, margin),
        "centre": (margin // 2, margin // 2),
        "bl": (margin, 0),
        "br": (margin, margin),
    }
    views = []
    for corner, flip in TEN_VIEWS:
        top, left = places[corner]
        view = levels[..., top : top + spec.size, left : left + spec.size]
        views.append(to_values(view.flip(-1) if flip else view, spec))
    return torch.stack(views)


def _resized_boxes(lucks: NDArray[np.float64], side: int, area: tuple[float, ...]) -> NDArray[np.float64]:
    """(top, left, height, width) of random parts, `float64[B, 4]` in whole pixels.

    The first of ten tries that fits is taken, else the whole square, as in torchvision's
    `RandomResizedCrop.get_params`.
    """
    share, ratio, at_y, at_x = lucks.reshape(len(lucks), 4, -1).transpose(1, 0, 2)
    target = side * side * (area[0] + share * (area[1] - area[0]))
    aspect = np.exp(math.log(3 / 4) + ratio * (math.log(4 / 3) - math.log(3 / 4)))
    width, height = np.rint(np.sqrt(target * aspect)), np.rint(np.sqrt(target / aspect))
    fits = (width >= 1) & (width <= side) & (height >= 1) & (height <= side)
    first = fits.argmax(axis=1)[:, None]
    pick = [np.take_along_axis(value, first, axis=1)[:, 0] for value in (height, width, at_y, at_x)]
    high, wide = (np.where(fits.any(axis=1), value, side) for value in pick[:2])
    top, left = np.floor(pick[2] * (side - high + 1)), np.floor(pick[3] * (side - wide + 1))
    return np.stack([top, left, high, wide], axis=1)


def _resized_crops(pixels: Tensor, spec: PictureSpec, augment: AugmentConfig, lucks: NDArray[np.float64]) -> Tensor:
    side = pixels.shape[-1]
    boxes = torch.from_numpy(_resized_boxes(lucks, side, augment.area)).float().to(pixels.device)
    rows = resize_weights(boxes[:, 0], boxes[:, 2], side, spec.size)
    columns = resize_weights(boxes[:, 1], boxes[:, 3], side, spec.size)
    return _resample(pixels, rows, columns)


def _random_crops(levels: Tensor, size: int, lucks: NDArray[np.float64]) -> Tensor:
    """Windows of `size` pixels at whole offsets 0..margin, both ends included: 33 × 33 places for 256 → 224."""
    margin = levels.shape[-1] - size
    if margin == 0:
        return levels
    offsets = np.floor(lucks * (margin + 1)).astype(np.int64)
    crops = [image[:, y : y + size, x : x + size] for image, (y, x) in zip(levels, offsets.tolist(), strict=True)]
    return torch.stack(crops)


def training_view(
    pixels: Tensor, spec: PictureSpec, augment: AugmentConfig, *, seed: int, epoch: int, index: Indices
) -> Tensor:
    """`float32[B, C, S, S]`: a batch as training sees it in this epoch.

    Args:
        pixels: `uint8[B, C, P, P]`.
        index: `int64[B]`: the pictures' places in the training set, which decide their draws.
    """
    pixels = to_channels(pixels, spec.channels)
    if augment.crop == "resized":
        levels = _resized_crops(pixels, spec, augment, draw(seed, epoch, index, CROP, 40))
    elif augment.crop == "random":
        levels = _random_crops(resize(pixels, spec.resize), spec.size, draw(seed, epoch, index, CROP, 2))
    else:
        start = (spec.resize - spec.size) // 2
        levels = resize(pixels, spec.resize)[..., start : start + spec.size, start : start + spec.size]
    if augment.flip:
        flips = torch.from_numpy(draw(seed, epoch, index, FLIP)[:, 0] < 0.5).to(levels.device)
        levels = torch.where(flips[:, None, None, None], levels.flip(-1), levels)
    return to_values(levels, spec)
