"""Views: Pillow's resizing and grey, the paper's ten crops, and draws that depend on seed, epoch and index alone."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.config import AugmentConfig
from alexnet.data import centre_view, epoch_order, ten_views, training_view
from alexnet.data.order import draw
from alexnet.data.views import CROP, FLIP, _resized_boxes, resize, to_channels
from alexnet.errors import ConfigError
from alexnet.spec import PictureSpec

SPEC = PictureSpec(channels=3, size=24, resize=32, fit="short-side", scale=1.0, mean=(0,) * 3, std=(1,) * 3)


def noise(count: int, side: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (count, channels, side, side))
    return torch.from_numpy(values.astype(np.uint8))


def by_pillow(
    picture: torch.Tensor, size: int, box: tuple[float, float, float, float] | None = None, crop: bool = False
) -> np.ndarray:
    """`[C, size, size]`; with `crop` the box is cut out first."""
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    if crop:
        image, box = image.crop(box), None
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box)).transpose(2, 0, 1).astype(float)


def view(
    pixels: torch.Tensor, augment: AugmentConfig, *, index: list[int], seed: int = 0, epoch: int = 0
) -> torch.Tensor:
    return training_view(pixels, SPEC, augment, seed=seed, epoch=epoch, index=np.array(index))


@pytest.mark.parametrize(
    ("side", "size"), [(32, 8), (32, 24), (57, 19), (256, 70), (8, 32), (28, 224), (5, 7), (64, 63), (9, 1), (1, 4)]
)
def test_resize_equals_pillow(side: int, size: int) -> None:
    pixels = noise(2, side)
    found = resize(pixels, size).numpy()
    expected = np.stack([by_pillow(picture, size) for picture in pixels])
    difference = np.abs(found - expected)
    assert difference.max() <= 1  # Pillow rounds the rows before it adds them up
    assert difference.mean() < 0.25
    np.testing.assert_array_equal(found, np.rint(found))


@pytest.mark.parametrize("side", [2, 6, 40])
def test_resize_of_one_level_or_to_the_same_size_changes_nothing(side: int) -> None:
    pixels = noise(2, side)
    np.testing.assert_array_equal(resize(pixels, side).numpy(), pixels.numpy())
    flat = torch.full((1, 3, side, side), 137, dtype=torch.uint8)
    for size in (1, 3, 17, 100):
        assert (resize(flat, size) == 137).all()


def test_resize_is_exact_where_pillow_rounds_once() -> None:
    """Rows that are all alike need no second sum, and these sizes give no ties (Pillow rounds those up)."""
    line = np.random.default_rng(1).integers(0, 256, (3, 1, 60)).astype(np.uint8)
    picture = torch.from_numpy(np.broadcast_to(line, (3, 60, 60)).copy())
    for size in (13, 23, 47, 71):
        assert np.abs(resize(picture[None], size)[0].numpy() - by_pillow(picture, size)).mean() < 0.01


def test_luminance_equals_pillow_on_all_colours() -> None:
    """Every third level of each channel, and every level beside black and white: 620,000 colours."""
    levels = np.array(sorted({*range(0, 256, 3), 1, 254}), np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 1, 3)
    found = to_channels(torch.from_numpy(colours.transpose(2, 0, 1)[None].copy()), 1)
    np.testing.assert_array_equal(found[0, 0].numpy(), np.asarray(Image.fromarray(colours).convert("L")))
    assert len(colours) == 88**3


def test_grey_is_repeated_and_equal_channels_pass() -> None:
    pixels = noise(2, 4, channels=1)
    assert to_channels(pixels, 1) is pixels
    np.testing.assert_array_equal(to_channels(pixels, 3).numpy(), np.repeat(pixels.numpy(), 3, axis=1))


def test_centre_view_values() -> None:
    spec = dataclasses.replace(SPEC, size=4, resize=7, scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    pixels = noise(3, 7)
    mean, std = np.array(spec.mean)[:, None, None], np.array(spec.std)[:, None, None]
    expected = (pixels.numpy()[:, :, 1:5, 1:5] / 255 - mean) / std
    found = centre_view(pixels, spec)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_centre_view_of_one_channel() -> None:
    spec = dataclasses.replace(SPEC, channels=1, size=6, resize=6, mean=(100.0,), std=(2.0,))
    pixels = noise(2, 6)
    grey = [np.asarray(Image.fromarray(p.permute(1, 2, 0).numpy()).convert("L")) for p in pixels]
    np.testing.assert_allclose(centre_view(pixels, spec)[:, 0].numpy(), (np.stack(grey) - 100.0) / 2)


def test_ten_views_are_corners_centre_and_their_mirror_images() -> None:
    pixels = noise(2, 32)
    whole = pixels.numpy()
    corners = [
        whole[:, :, :24, :24],
        whole[:, :, :24, 8:],
        whole[:, :, 4:28, 4:28],
        whole[:, :, 8:, :24],
        whole[:, :, 8:, 8:],
    ]
    expected = np.stack([*corners, *(corner[..., ::-1] for corner in corners)])
    found = ten_views(pixels, SPEC)
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(found[2].numpy(), centre_view(pixels, SPEC).numpy())


def test_ten_views_need_a_margin() -> None:
    with pytest.raises(ConfigError) as caught:
        ten_views(noise(1, 24), dataclasses.replace(SPEC, resize=24))
    assert caught.value.exit_code == 2
    assert "--views 1" in caught.value.hint


AUGMENTS = [
    AugmentConfig(crop=crop, flip=flip)
    for crop, flip in itertools.product(("none", "random", "resized"), (False, True))
]


@pytest.mark.parametrize("augment", AUGMENTS, ids=lambda augment: f"{augment.crop}-{augment.flip}")
def test_a_picture_ignores_its_batch_mates(augment: AugmentConfig) -> None:
    pixels = noise(6, 32)
    whole = view(pixels, augment, index=[100, 7, 3, 8, 50, 2**40], epoch=4)
    assert whole.shape == (6, 3, 24, 24)
    for order in ([0], [5, 2], [3, 1, 4, 0, 2, 5]):
        part = view(pixels[order], augment, index=[[100, 7, 3, 8, 50, 2**40][i] for i in order], epoch=4)
        torch.testing.assert_close(part, whole[order], rtol=0, atol=1e-3)


@pytest.mark.parametrize("augment", AUGMENTS[2:], ids=lambda augment: f"{augment.crop}-{augment.flip}")
def test_epochs_seeds_and_indices_change_the_view(augment: AugmentConfig) -> None:
    pixels = noise(1, 32).expand(40, -1, -1, -1)
    index = list(range(40))
    first = view(pixels, augment, index=index)
    assert torch.equal(first, view(pixels, augment, index=index))
    for other in ({"epoch": 1}, {"seed": 1}, {"index": [i + 40 for i in index]}):
        changed = view(pixels, augment, **{"index": index, **other})
        same = (changed == first).flatten(1).all(1).float().mean()
        assert same < 0.2  # two crops are alike once in 81


def test_random_crops_reach_every_place_equally_often() -> None:
    """The paper cuts 224 out of 256: 33 × 33 places, and two mirror images of each."""
    lucks = np.floor(draw(3, 5, np.arange(300_000), CROP, 2) * 33).astype(int)
    flips = draw(3, 5, np.arange(300_000), FLIP)[:, 0] < 0.5
    counts = np.zeros((33, 33, 2))
    np.add.at(counts, (lucks[:, 0], lucks[:, 1], flips.astype(int)), 1)
    expected = 300_000 / counts.size
    assert counts.size == 2178
    assert counts.min() > 0
    assert abs(((counts - expected) ** 2 / expected).sum() / 2177 - 1) < 0.12  # chi-square; 1 ± 4 deviations


def test_random_crops_are_windows_and_half_are_mirrored() -> None:
    places = torch.arange(32 * 32).reshape(32, 32)
    pixels = torch.stack([places // 32, places % 32, torch.zeros_like(places)]).to(torch.uint8)
    found = view(pixels.expand(3000, -1, -1, -1), AugmentConfig(crop="random", flip=True), index=list(range(3000)))
    found = found.long()
    mirrored = found[:, 1, 0, 0] > found[:, 1, 0, 1]
    upright = torch.where(mirrored[:, None, None, None], found.flip(-1), found)
    tops, lefts = upright[:, 0, 0, 0], upright[:, 1, 0, 0]
    steps = torch.arange(24)
    assert (upright[:, 0] == tops[:, None, None] + steps[:, None]).all()
    assert (upright[:, 1] == lefts[:, None, None] + steps).all()
    assert set(zip(tops.tolist(), lefts.tolist(), strict=True)) == set(itertools.product(range(9), range(9)))
    assert abs(mirrored.float().mean() - 0.5) < 0.04  # four deviations
    for found_places in (tops, lefts):
        assert (np.bincount(found_places.numpy(), minlength=9) > 250).all()


def test_resized_boxes_keep_their_bounds_and_fill_them() -> None:
    area = (0.08, 1.0)
    boxes = _resized_boxes(draw(0, 0, np.arange(20_000), CROP, 40), 256, area)
    top, left, height, width = boxes.T
    np.testing.assert_array_equal(boxes, np.rint(boxes))
    assert (np.minimum(top, left) >= 0).all()
    assert (np.maximum(top + height, left + width) <= 256).all()
    share, ratio = height * width / 256**2, width / height
    assert area[0] - 0.005 < share.min() < 0.09
    assert 0.98 < share.max() <= 1
    assert 3 / 4 - 0.01 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 4 / 3 + 0.01
    assert abs(np.log(ratio).mean()) < 0.01  # no side is preferred
    for start, length in ((top, height), (left, width)):
        inner = length < 200
        assert abs((start[inner] / (256 - length[inner])).mean() - 0.5) < 0.02
        assert (start == 0).any()
        assert (start + length == 256).any()


def test_resized_boxes_of_the_whole_are_the_whole() -> None:
    lucks = draw(0, 0, np.arange(500), CROP, 40)
    lucks.reshape(500, 4, 10)[:, 1] = 0.0  # every try asks for 3 : 4, which does not fit
    assert (_resized_boxes(lucks, 64, (1.0, 1.0)) == (0, 0, 64, 64)).all()


def test_resized_crop_equals_pillow() -> None:
    pixels = noise(40, 32)
    found = view(pixels, AugmentConfig(crop="resized"), index=list(range(40)), seed=9).numpy()
    boxes = _resized_boxes(draw(9, 0, np.arange(40), CROP, 40), 32, (0.08, 1.0))
    for picture, values, (top, left, height, width) in zip(pixels, found, boxes, strict=True):
        expected = by_pillow(picture, 24, (left, top, left + width, top + height), crop=True)
        assert np.abs(values - expected).max() <= 1.5


def test_an_epochs_order_is_a_permutation_of_its_own() -> None:
    orders = {
        (seed, epoch, count): epoch_order(seed, epoch, count)
        for seed in (0, 1)
        for epoch in (0, 1, 2)
        for count in (1, 10, 1000)
    }
    for (seed, epoch, count), order in orders.items():
        np.testing.assert_array_equal(np.sort(order), np.arange(count))
        np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))
    long = [tuple(order) for (_, _, count), order in orders.items() if count == 1000]
    assert len(set(long)) == len(long) == 6


def test_draws_are_even_and_independent() -> None:
    index = np.arange(20_000)
    rows = {
        (seed, epoch, purpose): draw(seed, epoch, index, purpose, 3)
        for seed in (0, 1, 2**64 - 1)
        for epoch in (0, 1)
        for purpose in (CROP, FLIP)
    }
    columns = np.concatenate([values.T for values in rows.values()])
    assert columns.min() >= 0
    assert columns.max() < 1
    for column in columns:
        counts = np.histogram(column, 100, (0, 1))[0]
        assert ((counts - 200) ** 2 / 200).sum() < 175  # chi-square of 99; more once in 200,000
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 5 / np.sqrt(len(index))
    assert np.abs(np.corrcoef(columns[:, :-1], columns[:, 1:])[:36, 36:]).max() < 5 / np.sqrt(len(index))
    assert len(columns) == 36
