"""What the training pictures' pixels decide: colour noise, the mean picture, and draws that pictures share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from alexnet.config import AugmentConfig
from alexnet.data import (
    Colours,
    centre_view,
    epoch_order,
    find_colours,
    mean_picture,
    shrink_mean,
    ten_views,
    training_view,
)
from alexnet.data.order import draw
from alexnet.data.pictures import PictureSet, picture_set
from alexnet.data.views import COLOUR, CROP, FLIP, TEN_VIEWS
from alexnet.spec import PictureSpec

SIZE, SIDE = 6, 9  # an odd margin of 3
PLAIN = PictureSpec(channels=3, size=SIZE, resize=SIDE, fit="short-side", scale=1.0, mean=(0,) * 3, std=(1,) * 3)
UNITS = replace(PLAIN, scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.25, 0.5, 2.0))
ALL = AugmentConfig(crop="random", flip=True, colour_noise=0.1)

# ImageNet's components as they are handed down: eigenvalues in [0, 1] units, and the 2012 program's deviations.
IMAGENET_VALUES = np.array([0.22807, 0.02116, 0.00598])
IMAGENET_DEVIATIONS = np.array([121.78006, 37.09389, 19.72083])
LUMINANCE = np.array([0.299, 0.587, 0.114])


def noise(count: int, side: int = SIDE, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, channels, side, side)).astype(np.uint8)


def tinted(count: int, side: int = 8, seed: int = 0) -> PictureSet:
    """Pictures whose channels depend on each other."""
    luck = np.random.default_rng(seed)
    light = luck.normal(128, 40, (count, 1, side, side))
    tint = luck.normal(0, (5, 15, 30), (count, side, side, 3)).transpose(0, 3, 1, 2)
    return picture_set(np.clip(light + tint, 0, 255).astype(np.uint8), np.zeros(count, np.int64), "train")


def view(pixels: NDArray[np.uint8], spec: PictureSpec, augment: AugmentConfig, **facts: Any) -> NDArray[np.float64]:
    facts = {"seed": 3, "epoch": 5, "index": np.arange(len(pixels)), **facts}
    return training_view(torch.from_numpy(pixels), spec, augment, **facts).double().numpy()


def box_muller(index: int, channels: int, seed: int = 3, epoch: int = 5) -> list[float]:
    """One draw of N(0, 1) for each component of one picture, one at a time."""
    (uniform,) = draw(seed, epoch, np.array([index]), COLOUR, 2 * channels)
    return [
        float(np.sqrt(-2 * np.log(1 - uniform[2 * k])) * np.cos(2 * np.pi * uniform[2 * k + 1]))
        for k in range(channels)
    ]


# ---- components


@pytest.mark.parametrize("count", [5, 300])  # 300: more than one chunk
def test_components_are_those_of_the_covariance_of_all_pixels(count: int) -> None:
    pictures = tinted(count)
    levels = np.concatenate([picture.reshape(3, -1) for picture in pictures.pixels], axis=1).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(levels, bias=True))
    found = find_colours(pictures, 3)
    np.testing.assert_allclose(found.values, values[::-1], rtol=1e-10)
    assert found.values[0] > found.values[1] > found.values[2] > 0
    for k in range(3):
        expected = vectors[:, 2 - k]
        np.testing.assert_allclose(found.vectors[:, k], expected * np.sign(expected.sum()), atol=1e-9)


def test_components_of_a_set_that_were_chosen() -> None:
    """Four colours at ±20 along (1, 1, 1)/√3·√3 and ±10 along (1, -1, 0): variances 600 and 100, none in blue alone."""
    colours = np.array([[1, 1, 1]]) * 100 + np.array([[20, 20, 20], [-20, -20, -20], [0, 0, 0], [0, 0, 0]])
    colours += np.array([[0, 0, 0], [0, 0, 0], [10, -10, 0], [-10, 10, 0]])
    pixels = colours.astype(np.uint8)[:, :, None, None] * np.ones((1, 1, 4, 4), np.uint8)
    found = find_colours(picture_set(pixels, np.zeros(4, np.int64), "train"), 3)
    np.testing.assert_allclose(found.values, [2 * 1200 / 4, 2 * 200 / 4, 0], atol=1e-9)
    np.testing.assert_allclose(found.vectors[:, 0], np.ones(3) / np.sqrt(3), atol=1e-12)
    np.testing.assert_allclose(np.abs(found.vectors[:, 1]), [0.5**0.5, 0.5**0.5, 0], atol=1e-12)


def test_only_the_rows_of_the_split_count() -> None:
    pictures = tinted(40)
    few = pictures.take(np.array([31, 2, 17]))
    levels = few.pixels[[31, 2, 17]].transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(find_colours(few, 3).values, np.linalg.eigvalsh(np.cov(levels, bias=True))[::-1])
    np.testing.assert_array_equal(mean_picture(few, 3), few.pixels[[31, 2, 17]].astype(np.float64).mean(0))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("paper", [5.8158, 0.53958, 0.15249]), ("program", [12.178006, 3.709389, 1.972083])],
)
def test_imagenets_noise_in_grey_levels(rule: str, expected: list[float]) -> None:
    """Reference: 5.8 levels along the first component by the printed formula; 12.18, 3.71, 1.97 by the program."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    values = IMAGENET_VALUES * 255**2
    np.testing.assert_allclose(np.sqrt(values), IMAGENET_DEVIATIONS, rtol=2e-3)
    if rule == "program":
        values = IMAGENET_DEVIATIONS**2
    columns = Colours(values=values, vectors=turn).noise(0.1, rule)
    np.testing.assert_allclose(np.linalg.norm(columns, axis=0), expected, rtol=1e-4)
    np.testing.assert_allclose(columns / np.linalg.norm(columns, axis=0), turn, atol=1e-12)


# ---- noise in pictures


@pytest.mark.parametrize("spec", [PLAIN, UNITS])
@pytest.mark.parametrize("rule", ["paper", "program"])
def test_noise_against_a_calculation_for_each_pixel(spec: PictureSpec, rule: str) -> None:
    """(level · scale - mean + scale · Σ p α λ) / std, the program's divided by 1.1; crops and flips as without."""
    pixels = noise(5)
    colours = find_colours(tinted(30), 3)
    index = np.array([7, 0, 3, 900, 12])
    augment = replace(ALL, colour_rule=rule)
    found = view(pixels, spec, augment, index=index, colours=colours)
    for b, number in enumerate(index):
        (at,) = np.floor(draw(3, 5, np.array([number]), CROP, 2) * 4).astype(int)
        flip = draw(3, 5, np.array([number]), FLIP)[0, 0] < 0.5
        normal = box_muller(int(number), 3)
        for c in range(3):
            shift = 0.0
            for k in range(3):
                value = colours.values[k]
                step = 255 * value / 255**2 if rule == "paper" else value**0.5
                shift += 0.1 * normal[k] * step * colours.vectors[c, k]
            for y in range(SIZE):
                for x in range(SIZE):
                    level = float(pixels[b, c, at[0] + y, at[1] + (SIZE - 1 - x if flip else x)])
                    expected = ((level + shift) * spec.scale - spec.mean[c]) / spec.std[c]
                    expected /= 1.1 if rule == "program" else 1.0
                    assert found[b, c, y, x] == pytest.approx(expected, rel=1e-5, abs=1e-5 * 255 * spec.scale)


@pytest.mark.parametrize("rule", ["paper", "program"])
def test_noise_has_mean_zero_and_the_components_covariance(rule: str) -> None:
    count = 40_000
    colours = find_colours(tinted(30), 3)
    augment = AugmentConfig(colour_noise=0.1, colour_rule=rule)
    spec = replace(PLAIN, size=1, resize=1)
    grey = np.full((count, 3, 1, 1), 128, np.uint8)
    found = view(grey, spec, augment, colours=colours)[:, :, 0, 0] * (1.1 if rule == "program" else 1) - 128
    scale = 0.1 * (colours.values / 255 if rule == "paper" else np.sqrt(colours.values))
    expected = colours.vectors @ np.diag(scale**2) @ colours.vectors.T
    deviation = np.sqrt(np.diag(expected))
    assert (np.abs(found.mean(0)) < 4 * deviation / np.sqrt(count)).all()
    np.testing.assert_allclose(
        np.cov(found.T) / np.outer(deviation, deviation), expected / np.outer(deviation, deviation), atol=0.03
    )


def test_noise_ends_after_its_epochs_and_so_does_the_division() -> None:
    pixels, colours = noise(4), find_colours(tinted(30), 3)
    for rule in ("paper", "program"):
        augment = AugmentConfig(colour_noise=0.1, colour_rule=rule, colour_epochs=2)
        plain = pixels[:, :, 1:7, 1:7].astype(np.float64)
        for epoch, noisy in ((0, True), (1, True), (2, False), (3, False)):
            found = view(pixels, PLAIN, augment, epoch=epoch, colours=colours)
            assert np.array_equal(found, plain) is not noisy
        forever = replace(augment, colour_epochs=0)
        assert not np.array_equal(view(pixels, PLAIN, forever, epoch=1000, colours=colours), plain)


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_on_grey_nets(channels: int) -> None:
    """Grey pictures, or colour pictures that a grey net sees as luminance: one component, its variance."""
    pixels = noise(300, 5, channels)
    grey = pixels[:, 0].astype(np.float64) if channels == 1 else np.rint(np.tensordot(LUMINANCE, pixels, (0, 1)))
    colours = find_colours(picture_set(pixels, np.zeros(300, np.int64), "train"), 1)
    assert colours.vectors.tolist() == [[1.0]]
    np.testing.assert_allclose(colours.values, [grey.var()], rtol=1e-3)
    spec = replace(PLAIN, channels=1, size=5, resize=5, mean=(0.0,), std=(1.0,))
    found = view(pixels, spec, AugmentConfig(colour_noise=0.1, colour_rule="program"), colours=colours)
    for b in range(20):
        expected = (grey[b] + 0.1 * box_muller(b, 1)[0] * colours.values[0] ** 0.5) / 1.1
        np.testing.assert_allclose(found[b, 0], expected, atol=1.0 if channels == 3 else 1e-4)


def test_a_grey_set_seen_in_colour_has_one_direction() -> None:
    pixels = noise(50, 5, 1)
    colours = find_colours(picture_set(pixels, np.zeros(50, np.int64), "train"), 3)
    np.testing.assert_allclose(colours.values, [3 * pixels.var(), 0, 0], atol=1e-7)
    np.testing.assert_allclose(colours.vectors[:, 0], np.ones(3) / np.sqrt(3), atol=1e-9)


def test_a_pictures_noise_ignores_its_batch() -> None:
    pixels, colours = noise(24), find_colours(tinted(30), 3)
    whole = view(pixels, PLAIN, ALL, colours=colours)
    luck = np.random.default_rng(0)
    for size in (1, 5, 24):
        order = luck.permutation(24)
        for start in range(0, 24, size):
            chosen = order[start : start + size]
            np.testing.assert_array_equal(
                view(pixels[chosen], PLAIN, ALL, index=chosen, colours=colours), whole[chosen]
            )
    for changed in ({"seed": 4}, {"epoch": 6}):
        other = view(pixels, PLAIN, AugmentConfig(colour_noise=0.1), colours=colours, **changed)
        same = view(pixels, PLAIN, AugmentConfig(colour_noise=0.1), colours=colours)
        assert (np.abs(other - same).min(axis=(1, 2, 3)) > 0).all()


# ---- the mean picture


@pytest.mark.parametrize(("channels", "wanted"), [(3, 3), (1, 1), (1, 3), (3, 1)])
def test_mean_picture_equals_numpys(channels: int, wanted: int) -> None:
    pixels = noise(700, 7, channels)  # three chunks
    found = mean_picture(picture_set(pixels, np.zeros(700, np.int64), "train"), wanted)
    if (channels, wanted) == (3, 1):
        grey = [np.asarray(Image.fromarray(picture.transpose(1, 2, 0)).convert("L")) for picture in pixels]
        expected = np.mean(np.array(grey, np.float64), axis=0)[None]
    else:
        expected = np.broadcast_to(pixels.astype(np.float64).mean(0), (wanted, 7, 7))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(("side", "size"), [(32, 24), (57, 19), (9, 30), (40, 40), (5, 4), (300, 256)])
def test_a_mean_picture_shrinks_as_pillow_shrinks_floats(side: int, size: int) -> None:
    picture = np.random.default_rng(side).random((3, side, side)) * 255
    found = shrink_mean(picture, size)
    assert found.dtype == np.float32
    for channel, ours in zip(picture, found, strict=True):
        image = Image.fromarray(channel.astype(np.float32), mode=None)
        assert image.mode == "F"
        theirs = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def with_mean(window: str | None, margin_spec: PictureSpec = UNITS, seed: int = 8) -> PictureSpec:
    image = np.random.default_rng(seed).random((3, SIDE, SIDE)).astype(np.float32)
    mean = tuple(float(value) for value in image.mean((1, 2)))
    return replace(margin_spec, mean=mean, mean_window=window, mean_image=image)


def expected_view(
    picture: NDArray[np.uint8], spec: PictureSpec, top: int, left: int, flip: bool
) -> NDArray[np.float64]:
    """One picture's values, by slices."""
    image = np.asarray(spec.mean_image, np.float64)
    levels = picture[:, top : top + SIZE, left : left + SIZE].astype(np.float64) * spec.scale
    if spec.mean_window == "centre":
        levels = (levels[:, :, ::-1] if flip else levels) - image[:, 1:7, 1:7]
    else:
        levels = levels - image[:, top : top + SIZE, left : left + SIZE]
        levels = levels[:, :, ::-1] if flip else levels
    return levels / np.array(spec.std)[:, None, None]


@pytest.mark.parametrize("window", ["crop", "centre"])
def test_mean_picture_in_the_centre_view(window: str) -> None:
    pixels, spec = noise(3), with_mean(window)
    found = centre_view(torch.from_numpy(pixels), spec).numpy()
    for picture, ours in zip(pixels, found, strict=True):
        np.testing.assert_allclose(ours, expected_view(picture, spec, 1, 1, flip=False), atol=1e-5)


@pytest.mark.parametrize("window", ["crop", "centre"])
@pytest.mark.parametrize("crop", ["none", "random"])
def test_mean_picture_in_training_views(window: str, crop: str) -> None:
    pixels, spec = noise(40), with_mean(window)
    found = view(pixels, spec, AugmentConfig(crop=crop, flip=True))
    places, flips = set(), set()
    for b in range(40):
        top, left = 1, 1
        if crop == "random":
            top, left = (int(value * 4) for value in draw(3, 5, np.array([b]), CROP, 2)[0])
        flip = bool(draw(3, 5, np.array([b]), FLIP)[0, 0] < 0.5)
        np.testing.assert_allclose(found[b], expected_view(pixels[b], spec, top, left, flip), atol=1e-5)
        places.add((top, left))
        flips.add(flip)
    assert flips == {True, False}
    assert len(places) == 1 if crop == "none" else len(places) > 10


@pytest.mark.parametrize("window", ["crop", "centre"])
def test_mean_picture_in_ten_views(window: str) -> None:
    pixels, spec = noise(2), with_mean(window)
    found = ten_views(torch.from_numpy(pixels), spec).numpy()
    corners = {"tl": (0, 0), "tr": (0, 3), "centre": (1, 1), "bl": (3, 0), "br": (3, 3)}
    assert len(found) == len(TEN_VIEWS) == 10
    for v, (corner, flip) in enumerate(TEN_VIEWS):
        for b in range(2):
            np.testing.assert_allclose(found[v, b], expected_view(pixels[b], spec, *corners[corner], flip), atol=1e-5)


# ---- shared draws


def run_views(augment: AugmentConfig, batch_size: int, leaders_of: int, count: int = 100) -> NDArray[np.float64]:
    """Every picture of an epoch as training sees it, by place in the epoch's order, batch by batch."""
    ramp = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(1, 1, SIDE, SIDE) * np.ones((count, 3, 1, 1), np.uint8)
    order = epoch_order(3, 5, count)
    leaders = np.array([order[place - place % leaders_of] for place in range(count)])
    colours = find_colours(tinted(30), 3) if augment.colour_noise else None
    views = []
    for start in range(0, count, batch_size):
        chosen = slice(start, start + batch_size)
        facts = {"index": order[chosen], "leaders": leaders[chosen], "colours": colours}
        views.append(view(ramp[order[chosen]], PLAIN, augment, **facts))
    return np.concatenate(views)


@pytest.mark.parametrize("crop", ["random", "resized"])
def test_32_pictures_share_crop_and_flip_whatever_the_batch_size(crop: str) -> None:
    """All pictures are one ramp, so that equal views are equal draws."""
    augment = AugmentConfig(crop=crop, flip=True, share=32)
    whole = run_views(augment, 100, 32)
    for start in range(0, 100, 32):
        np.testing.assert_array_equal(
            whole[start : start + 32], np.broadcast_to(whole[start], whole[start : start + 32].shape)
        )
    assert len({whole[start].tobytes() for start in range(0, 100, 32)}) > 1
    np.testing.assert_array_equal(run_views(augment, 7, 32), whole)
    order = epoch_order(3, 5, 100)
    for start in range(0, 100, 32):  # the run's draw is its first picture's own
        first = np.array([order[start]])
        flipped = bool(draw(3, 5, first, FLIP)[0, 0] < 0.5)
        assert (whole[start][0, 0, 0] > whole[start][0, 0, -1]) == flipped


def test_shared_draws_leave_colour_noise_to_each_picture() -> None:
    without = run_views(AugmentConfig(crop="random", flip=True, share=32), 20, 32)
    found = run_views(replace(ALL, share=32), 20, 32)
    shifts = found - without
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[:, :, :1, :1], shifts.shape), atol=1e-4)
    assert len(np.unique(shifts[:, 0, 0, 0].round(4))) > 90
    colours = find_colours(tinted(30), 3)
    for place, number in enumerate(epoch_order(3, 5, 100)[:40]):
        normal = np.array(box_muller(int(number), 3))
        expected = 0.1 * colours.vectors @ (normal * colours.values / 255)
        np.testing.assert_allclose(shifts[place, :, 0, 0], expected, atol=1e-4)
