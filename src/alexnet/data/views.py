"""From a batch of bytes to what the net sees: resizing, crops, flips and values, all pictures at once.

Resizing is linear algebra: each output row is a weighted sum of input rows, and likewise each column, so a
batch is two batched matrix products. The weights are those of Pillow's antialiased bilinear filter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import AugmentConfig
from ..spec import PictureSpec
from .centre import HALF, check_ten_views
from .order import draw
from .pictures import Indices

if TYPE_CHECKING:
    from .colours import Colours

CROP, FLIP, COLOUR = 1, 2, 3
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
    return _resample(pixels, weights, weights).add_(HALF).floor_()


def shrink_mean(picture: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """`float32[C, size, size]` from a mean picture `float64[C, P, P]`, not rounded."""
    values = torch.from_numpy(picture).float()
    side = values.shape[-1]
    if side == size:
        return values.numpy()
    weights = resize_weights(torch.tensor([0.0]), torch.tensor([float(side)]), side, size)
    return _resample(values[None], weights, weights)[0].numpy()


def _crop(levels: Tensor, top: int, left: int, size: int) -> Tensor:
    return levels[..., top : top + size, left : left + size]


def _crops(levels: Tensor, offsets: NDArray[np.int64], size: int) -> Tensor:
    """`[B, C, size, size]`: a window of each picture of `[B, C, R, R]`, or of one `[C, R, R]`."""
    images = levels if levels.ndim == 4 else levels.expand(len(offsets), *levels.shape)
    windows = zip(images, offsets.tolist(), strict=True)
    return torch.stack([_crop(image, top, left, size) for image, (top, left) in windows])


def _mean(spec: PictureSpec, device: torch.device, offsets: NDArray[np.int64] | None) -> Tensor:
    """What is subtracted: `[C, 1, 1]`, the central window `[C, S, S]`, or each crop's own `[B, C, S, S]`."""
    if spec.mean_image is None:
        return torch.tensor(spec.mean, device=device)[:, None, None]
    image = torch.from_numpy(spec.mean_image).to(device)
    if spec.mean_window == "crop" and offsets is not None:
        return _crops(image, offsets, spec.size)
    start = (spec.resize - spec.size) // 2
    return _crop(image, start, start, spec.size)


def to_values(
    levels: Tensor, spec: PictureSpec, offsets: NDArray[np.int64] | None = None, flips: Tensor | None = None
) -> Tensor:
    """(level * scale - mean) / std, mirrored where `flips` says so.

    Args:
        levels: `float32[B, C, S, S]`.
        offsets: `int64[B, 2]`: top and left of each crop; None: the central one.
        flips: `bool[B]`. A mean picture's own window is mirrored with the crop; its central window stays as it is.
    """
    std = torch.tensor(spec.std, device=levels.device)[:, None, None]
    mean = _mean(spec, levels.device, offsets)
    if flips is not None:
        chosen = flips[:, None, None, None]
        levels = torch.where(chosen, levels.flip(-1), levels)
        if spec.mean_image is not None and spec.mean_window == "crop":
            mean = torch.where(chosen, mean.flip(-1), mean)
    return (levels * spec.scale - mean) / std


def centre_view(pixels: Tensor, spec: PictureSpec) -> Tensor:
    """`float32[B, C, S, S]`: resized, central crop, values. What evaluation and prediction see."""
    levels = resize(to_channels(pixels, spec.channels), spec.resize)
    start = (spec.resize - spec.size) // 2
    return to_values(_crop(levels, start, start, spec.size), spec)


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
        offsets = np.array([places[corner]] * len(pixels))
        flips = torch.full((len(pixels),), flip, device=pixels.device)
        views.append(to_values(_crop(levels, *places[corner], spec.size), spec, offsets, flips))
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


def _colour_noise(spec: PictureSpec, augment: AugmentConfig, colours: Colours, lucks: NDArray[np.float64]) -> Tensor:
    """`float32[B, C, 1, 1]`: what is added to every pixel of each picture, in the units of its values.

    Args:
        lucks: `float64[B, 2 * C]`: each pair becomes one draw of N(0, 1) (Box and Muller 1958).
    """
    radius, angle = np.sqrt(-2 * np.log1p(-lucks[:, ::2])), 2 * np.pi * lucks[:, 1::2]
    levels = (radius * np.cos(angle)) @ colours.noise(augment.colour_noise, augment.colour_rule).T
    return torch.from_numpy(levels * spec.scale / np.array(spec.std)).float()[:, :, None, None]


def training_view(
    pixels: Tensor,
    spec: PictureSpec,
    augment: AugmentConfig,
    *,
    seed: int,
    epoch: int,
    index: Indices,
    leaders: Indices | None = None,
    colours: Colours | None = None,
) -> Tensor:
    """`float32[B, C, S, S]`: a batch as training sees it in this epoch.

    Args:
        pixels: `uint8[B, C, P, P]`.
        index: `int64[B]`: the pictures' places in the training set, which decide their draws.
        leaders: `int64[B]`: the places that decide crop and flip instead, where pictures share them.
        colours: the training pictures' components, for colour noise.
    """
    pixels = to_channels(pixels, spec.channels)
    leaders = index if leaders is None else leaders
    margin, offsets = spec.resize - spec.size, None
    if augment.crop == "resized":
        levels = _resized_crops(pixels, spec, augment, draw(seed, epoch, leaders, CROP, 40))
    elif augment.crop == "random" and margin:
        # Whole offsets 0..margin, both ends included: 33 × 33 places for 256 → 224.
        offsets = np.floor(draw(seed, epoch, leaders, CROP, 2) * (margin + 1)).astype(np.int64)
        levels = _crops(resize(pixels, spec.resize), offsets, spec.size)
    else:
        levels = _crop(resize(pixels, spec.resize), margin // 2, margin // 2, spec.size)
    flips = None
    if augment.flip:
        flips = torch.from_numpy(draw(seed, epoch, leaders, FLIP)[:, 0] < 0.5).to(levels.device)
    values = to_values(levels, spec, offsets, flips)
    if colours is None or (augment.colour_epochs and epoch >= augment.colour_epochs):
        return values
    lucks = draw(seed, epoch, index, COLOUR, 2 * spec.channels)
    values = values + _colour_noise(spec, augment, colours, lucks).to(values.device)
    return values / (1 + augment.colour_noise) if augment.colour_rule == "program" else values
