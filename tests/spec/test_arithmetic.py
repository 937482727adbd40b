"""Windows, smallest inputs and refusals: the arithmetic against counting, and every refusal against its text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.errors import ConfigError
from alexnet.spec import VARIANTS, NetworkSpec, PictureSpec, compute, find_variant, find_window, smallest_input
from alexnet.spec.layers import AdaptivePool, Conv, Init, Linear, Local, MapNorm, Pool, Relu, ResponseNorm

ZERO = Init(rule="normal")
RGB = PictureSpec(
    channels=3, size=224, resize=256, fit="short-side", scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)
)
SIZES = st.integers(1, 60)
KERNELS = st.integers(1, 13)
STRIDES = st.integers(1, 5)


@given(SIZES, KERNELS, STRIDES, st.integers(0, 6))
def test_floor_counts_whole_windows(size: int, kernel: int, stride: int, padding: int) -> None:
    window = find_window(size, kernel, stride, padding, "floor")
    starts = [start for start in range(-padding, size + padding, stride) if start + kernel <= size + padding]
    assert window.positions == len(starts)
    assert (window.before, window.after) == (padding, padding)


@given(SIZES, KERNELS, STRIDES, st.integers(0, 6))
def test_ceil_adds_windows_until_the_edge_is_reached(size: int, kernel: int, stride: int, padding: int) -> None:
    """The next window is needed while the one before it (the first one's lies outside) ends before the edge."""
    window = find_window(size, kernel, stride, padding, "ceil")
    count, end = 0, kernel - padding - stride
    while end < size + padding:
        count, end = count + 1, end + stride
    assert window.positions == count
    assert window.before == padding
    if count:
        assert end == size + window.after, "the last window ends with the padding"
        assert padding <= window.after < padding + stride


@given(SIZES, KERNELS, STRIDES)
def test_same_has_one_window_per_stride_and_shares_the_padding(size: int, kernel: int, stride: int) -> None:
    window = find_window(size, kernel, stride, 0, "same")
    assert window.positions == len(range(0, size, stride))
    assert window.after - window.before in (0, 1), "the odd pixel is at the right and bottom"
    total = window.before + window.after
    ends = (window.positions - 1) * stride + kernel
    assert ends <= size + total
    assert total == 0 or ends == size + total, "no more padding than the last window reads"


@pytest.mark.parametrize(
    ("arguments", "positions", "before", "after"),
    [
        ((224, 11, 4, 0, "ceil"), 55, 0, 3),
        ((227, 11, 4, 0, "floor"), 55, 0, 0),
        ((224, 11, 4, 0, "floor"), 54, 0, 0),
        ((224, 11, 4, 2, "floor"), 55, 2, 2),
        ((224, 11, 4, 0, "same"), 56, 3, 4),
        ((28, 11, 4, 0, "same"), 7, 3, 4),
        ((7, 3, 2, 0, "same"), 4, 1, 1),
        ((4, 5, 1, 0, "same"), 4, 2, 2),
        ((4, 3, 2, 0, "same"), 2, 0, 1),
        ((2, 3, 2, 0, "same"), 1, 0, 1),
        ((32, 3, 2, 0, "ceil"), 16, 0, 1),
        ((55, 3, 2, 0, "ceil"), 27, 0, 0),
        ((3, 7, 1, 0, "floor"), 0, 0, 0),
        ((3, 7, 2, 0, "ceil"), 0, 0, 0),
    ],
)
def test_windows_of_the_sources(arguments: tuple, positions: int, before: int, after: int) -> None:
    window = find_window(*arguments)
    assert (window.positions, window.before) == (positions, before)
    assert positions == 0 or window.after == after


def needed_pixels(spec: NetworkSpec) -> int:
    """The smallest input, layer by layer from the last one backwards: how many pixels make n positions?"""
    n = 1
    for layer in reversed(spec.layers):
        if isinstance(layer, AdaptivePool):
            n = 1
        if not isinstance(layer, Conv | Pool | Local):
            continue
        stride = 1 if isinstance(layer, Local) else layer.stride
        rounding = "floor" if isinstance(layer, Local) else layer.rounding
        padding = 0 if isinstance(layer, Pool) else layer.padding
        if rounding == "floor":
            n = (n - 1) * stride + layer.kernel - 2 * padding
        elif rounding == "ceil":
            n = (n - 2) * stride + 1 + layer.kernel - 2 * padding
        else:
            n = (n - 1) * stride + 1
        n = max(n, 1)
    return n


def test_smallest_inputs_known_by_name() -> None:
    known = {"torchvision": 63, "paper": 67, "lenet": 12, "keras": 1}
    assert {name: smallest_input(VARIANTS[name]) for name in known} == known


@pytest.mark.parametrize("name", VARIANTS)
def test_smallest_input_works_and_one_less_is_refused(name: str) -> None:
    spec = VARIANTS[name]
    smallest = smallest_input(spec)
    assert smallest == needed_pixels(spec)
    facts = compute(spec.resized(image_size=smallest))
    assert facts.layers[-1].output == (spec.classes, 1, 1)
    with pytest.raises(ConfigError) as caught:
        compute(spec.resized(image_size=smallest - 1))
    assert re.search(rf"(is|least) {smallest}\.$", str(caught.value)), str(caught.value)
    assert f"«{name}»" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", VARIANTS)
def test_other_classes_and_channels(name: str) -> None:
    spec = VARIANTS[name]
    before, after = compute(spec), compute(spec.resized(classes=7, channels=4))
    first, last = spec.layers[0], before.layers[-1]
    assert isinstance(first, Conv)
    assert isinstance(last.layer, Linear)
    assert after.layers[-1].output == (7, 1, 1)
    grown = first.filters * (4 - spec.channels) * first.kernel**2
    shrunk = (last.input[0] + 1) * (spec.classes - 7)
    assert after.parameters == before.parameters + grown - shrunk
    assert spec.resized() == spec


@pytest.mark.parametrize(("what", "value"), [("classes", 0), ("channels", 0), ("image_size", -3)])
def test_sizes_below_one_are_refused(what: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"cannot have {value} .*at least 1"):
        VARIANTS["lenet"].resized(**{what: value})


def test_groups_must_divide_channels() -> None:
    conv = Conv(name="conv1", filters=4, kernel=1, groups=2, init=ZERO)
    spec = replace(VARIANTS["lenet"], layers=(conv, Relu(name="relu1")))
    assert compute(spec.resized(channels=2)).parameters == 4 * 1 + 4
    with pytest.raises(ConfigError, match=r"conv1 .* 2 groups, which do not divide 3"):
        compute(spec.resized(channels=3))
    with pytest.raises(ConfigError, match="do not divide 2 or 5"):
        compute(replace(spec, layers=(replace(conv, filters=5),)).resized(channels=2))


def test_misspelt_variant_names_the_nearest_or_all() -> None:
    assert find_variant("museum-half") is VARIANTS["museum-half"]
    with pytest.raises(ConfigError, match=r"no model «papper».*«paper»"):
        find_variant("papper")
    with pytest.raises(ConfigError) as caught:
        find_variant("resnet50zzz")
    assert all(name in caught.value.hint for name in VARIANTS)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"channels": 2}, "1 or 3 channels, not 2"),
        ({"size": 257}, "257 pixels .* 256"),
        ({"size": 0}, "0 pixels"),
        ({"mean": (0.5,)}, "3 channels need as many .* 1 and 3"),
        ({"std": (1.0, 1.0)}, "3 channels need as many .* 3 and 2"),
        ({"channels": 1}, "1 channels need as many"),
        ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ({"std": (1.0, 1.0, -1.0)}, "above 0"),
        ({"scale": 0.0}, "above 0"),
        ({"scale": -1.0}, "above 0"),
    ],
)
def test_picture_refuses_what_does_not_fit(changes: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        replace(RGB, **changes)


def test_picture_accepts_its_limits() -> None:
    assert replace(RGB, size=256).size == RGB.resize
    grey = replace(RGB, channels=1, size=1, mean=(0.0,), std=(1.0,))
    assert (grey.channels, grey.size) == (1, 1)


def test_windows_and_towers_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="odd"):
        MapNorm(name="norm1", size=4, alpha=1.0, beta=0.75)
    lrn = ResponseNorm(name="norm1", size=5, alpha=1.0, beta=0.75, k=1.0, divided=True, groups=2)
    with pytest.raises(ConfigError, match="2 groups"):
        compute(replace(VARIANTS["lenet"], layers=(lrn,), channels=5))
