"""Built modules against loops that sum what the sources describe: windows, padding, unshared and grouped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alexnet.errors import ConfigError
from alexnet.model import AlexNet, create
from alexnet.model.modules import GroupedLinear, LocalConv2d, PaddedConv2d, PaddedMaxPool2d
from alexnet.spec import VARIANTS, NetworkSpec, compute, smallest_input
from alexnet.spec.layers import Conv, Init, Layer, Linear, Local, Pool

DRAWN = Init(rule="normal", std=1.0, bias=0.5)
TRAINABLE = {"paper": 60_965_224, "torchvision": 61_100_840, "keras": 13_188_490, "cifar-11pct": 3_672_906}


def values(*shape: int, shift: float = 0.0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))) + shift


def built_of(*layers: Layer, channels: int, size: int) -> AlexNet:
    spec = NetworkSpec(name="tiny", title="", source="", layers=layers, channels=channels, image_size=size, classes=2)
    return AlexNet(spec, torch.Generator().manual_seed(1)).double().eval()


def summed(
    pixels: np.ndarray, weight: np.ndarray, stride: int, padding: int, positions: int, groups: int
) -> np.ndarray:
    """A convolution tap by tap; window i starts at i * stride - padding, taps outside the picture are skipped."""
    batch, _, size, _ = pixels.shape
    filters, depth, kernel, _ = weight.shape
    result = np.zeros((batch, filters, positions, positions))
    for f, y, x, dy, dx in np.ndindex(filters, positions, positions, kernel, kernel):
        row, column = y * stride - padding + dy, x * stride - padding + dx
        if 0 <= row < size and 0 <= column < size:
            first = f // (filters // groups) * depth
            result[:, f, y, x] += pixels[:, first : first + depth, row, column] @ weight[f, :, dy, dx]
    return result


def pooled(pixels: np.ndarray, kind: str, kernel: int, stride: int, before: int, positions: int) -> np.ndarray:
    """A pool whose windows are clipped to the picture: the largest, or the mean over what is left."""
    result = np.zeros((*pixels.shape[:2], positions, positions))
    for y, x in np.ndindex(positions, positions):
        top, left = y * stride - before, x * stride - before
        window = pixels[:, :, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
        result[:, :, y, x] = window.max(axis=(2, 3)) if kind == "max" else window.mean(axis=(2, 3))
    return result


def test_children_shapes_and_totals_are_the_specs(built: AlexNet) -> None:
    spec, facts = built.spec, compute(built.spec)
    assert [name for name, _ in built.named_children()] == [layer.name for layer in spec.layers]
    value = torch.randn(1, spec.channels, spec.image_size, spec.image_size)
    with torch.no_grad():
        for module, row in zip(built, facts.layers, strict=True):
            assert tuple(value.shape[1:]) == (row.input if value.dim() == 4 else row.input[:1])
            value = module(value)
            assert tuple(value.shape) == (1, *(row.output if value.dim() == 4 else row.output[:1])), row.layer.name
            assert sum(parameter.numel() for parameter in module.parameters()) == row.trainable, row.layer.name
    assert value.shape == (1, spec.classes)
    assert value.isfinite().all()
    total = sum(parameter.numel() for parameter in built.parameters())
    assert total == facts.trainable == TRAINABLE.get(spec.name, total)
    stored = sum(buffer.numel() for name, buffer in built.named_buffers() if not name.endswith("num_batches_tracked"))
    assert total + stored == facts.parameters


def thin(spec: NetworkSpec) -> NetworkSpec:
    """The same net with four filters or eight features in each layer: sizes along the sides stay."""
    return replace(
        spec,
        layers=tuple(
            replace(layer, filters=4)
            if isinstance(layer, Conv | Local)
            else replace(layer, features=layer.features and 8)
            if isinstance(layer, Linear)
            else layer
            for layer in spec.layers
        ),
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_torch_agrees_with_the_arithmetic_at_other_sizes(name: str) -> None:
    """From the smallest input on, one round of a stride of 4; below it the net cannot be built."""
    spec = thin(VARIANTS[name])
    smallest = smallest_input(spec)
    assert smallest == smallest_input(VARIANTS[name])
    for size in range(smallest, smallest + 4):
        net = AlexNet(spec.resized(image_size=size)).eval()
        value = torch.randn(2, spec.channels, size, size)
        with torch.no_grad():
            for module, row in zip(net, compute(net.spec).layers, strict=True):
                value = module(value)
                assert tuple(value.shape[1:]) == row.output[: value.dim() - 1], (size, row.layer.name)
    with pytest.raises(ConfigError, match=f"{smallest}"):
        create(name, image_size=smallest - 1)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "groups"),
    [(8, 5, 4, 0, 1), (9, 5, 4, 0, 1), (10, 11, 4, 0, 1), (7, 3, 3, 1, 2), (12, 5, 4, 2, 1), (6, 3, 1, 1, 2)],
)
def test_convolution_that_rounds_up_reads_zeros_right_and_below(
    size: int, kernel: int, stride: int, padding: int, groups: int
) -> None:
    layer = Conv(
        name="conv1",
        filters=4,
        kernel=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        rounding="ceil",
        init=DRAWN,
    )
    net, pixels = built_of(layer, channels=2, size=size), values(2, 2, size, size)
    positions = 1 + -(-(2 * padding + size - kernel) // stride)
    sums = summed(pixels.numpy(), net.conv1.weight.detach().numpy(), stride, padding, positions, groups)
    found = net(pixels).detach().numpy()
    assert found.shape[2] == positions
    np.testing.assert_allclose(found, sums + 0.5, rtol=1e-11, atol=1e-12)


def test_padded_convolution_by_hand() -> None:
    conv = PaddedConv2d(2, 4, 3, stride=2, before=1, after=2, groups=2).double()
    assert list(conv.state_dict()) == ["weight", "bias"]
    pixels = values(2, 2, 6, 6)
    sums = summed(pixels.numpy(), conv.weight.detach().numpy(), 2, 1, 4, 2)
    expected = sums + conv.bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(conv(pixels).detach().numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("size", "kernel"), [(8, 3), (7, 3), (2, 3), (5, 2), (32, 3)])
def test_pool_that_rounds_up_clips_its_windows(kind: str, size: int, kernel: int) -> None:
    """Of negative values too: neither the largest nor the mean may see a zero from outside."""
    net = built_of(Pool(name="pool1", kind=kind, kernel=kernel, stride=2, rounding="ceil"), channels=2, size=size)
    pixels = values(2, 2, size, size, shift=-9)
    expected = pooled(pixels.numpy(), kind, kernel, 2, 0, -(-(size - kernel) // 2) + 1)
    np.testing.assert_allclose(net(pixels).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (4, 3, 2), (2, 3, 2), (4, 5, 2), (6, 4, 2)])
def test_max_pool_of_same_padding_never_sees_zeros(size: int, kernel: int, stride: int) -> None:
    net = built_of(Pool(name="pool1", kind="max", kernel=kernel, stride=stride, rounding="same"), channels=2, size=size)
    pixels = values(2, 2, size, size, shift=-9)
    positions = -(-size // stride)
    before = max((positions - 1) * stride + kernel - size, 0) // 2
    found = net(pixels).numpy()
    np.testing.assert_array_equal(found, pooled(pixels.numpy(), "max", kernel, stride, before, positions))
    assert found.max() < 0


def test_padded_max_pool_by_hand() -> None:
    pool, pixels = PaddedMaxPool2d(5, stride=2, before=1, after=2), values(1, 2, 4, 4, shift=-9)
    np.testing.assert_array_equal(pool(pixels).numpy(), pooled(pixels.numpy(), "max", 5, 2, 1, 2))


@pytest.mark.parametrize(("size", "kernel", "padding"), [(4, 3, 1), (5, 3, 0), (4, 5, 2)])
def test_local_layer_has_weights_of_its_own_at_each_position(size: int, kernel: int, padding: int) -> None:
    net = built_of(Local(name="local1", filters=3, kernel=kernel, padding=padding, init=DRAWN), channels=2, size=size)
    side = size + 2 * padding - kernel + 1
    with torch.no_grad():
        net.local1.bias.normal_(generator=torch.Generator().manual_seed(3))
    weight = net.local1.weight.detach().numpy().reshape(side, side, 3, 2, kernel, kernel)
    pixels = values(2, 2, size, size)
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    expected = np.zeros((2, 3, side, side))
    for y, x, f in np.ndindex(side, side, 3):
        window = padded[:, :, y : y + kernel, x : x + kernel]
        expected[:, f, y, x] = (window * weight[y, x, f]).sum(axis=(1, 2, 3)) + net.local1.bias[y * side + x, f].item()
    np.testing.assert_allclose(net(pixels).detach().numpy(), expected, rtol=1e-11, atol=1e-12)


def test_local_layer_with_equal_weights_is_a_convolution() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    local = LocalConv2d(3, 4, 3, padding=1, height=5, width=6).double()
    with torch.no_grad():
        local.weight.copy_(conv.weight.flatten(1).expand(30, -1, -1))
        local.bias.copy_(conv.bias.expand(30, -1))
    pixels = values(2, 3, 5, 6)
    torch.testing.assert_close(local(pixels), conv(pixels), rtol=1e-12, atol=1e-13)


def test_grouped_linear_is_two_linears_with_their_gradients() -> None:
    grouped, halves = GroupedLinear(6, 10, 2).double(), [nn.Linear(3, 5).double() for _ in range(2)]
    with torch.no_grad():
        grouped.weight.copy_(torch.cat([half.weight for half in halves]))
        grouped.bias.copy_(torch.cat([half.bias for half in halves]))
    row, pull = values(4, 6).requires_grad_(), values(4, 10)
    found = grouped(row)
    expected = torch.cat([half(part) for half, part in zip(halves, row.chunk(2, 1), strict=True)], 1)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)
    ours = torch.autograd.grad((found * pull).sum(), [row, grouped.weight, grouped.bias])
    theirs = torch.autograd.grad((expected * pull).sum(), [row, *(p for half in halves for p in half.parameters())])
    wanted = (theirs[0], torch.cat([theirs[1], theirs[3]]), torch.cat([theirs[2], theirs[4]]))
    for gradient, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "last", "meets"),
    [("museum-no-links", "relu7", False), ("museum", "relu3", True), ("museum", "pool2", False)],
)
def test_towers_do_not_hear_each_other(name: str, last: str, meets: bool) -> None:
    """Whatever happens in tower a after conv1, tower b answers the same, until the towers meet."""
    spec = VARIANTS[name].resized(image_size=96)
    names = [layer.name for layer in spec.layers]
    spec = replace(spec, layers=spec.layers[: names.index(last) + 1])
    net = AlexNet(spec, torch.Generator().manual_seed(2)).eval()
    with torch.no_grad():
        first = net[0](torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(3)) * 70)
        other = first.clone()
        other[:, :48] = -3 * first[:, :48].flip(2)
        told = []
        for child, module in list(net.named_children())[1:]:
            first, other = module(first), module(other)
            half = first.shape[1] // 2
            assert not torch.equal(first[:, :half], other[:, :half]), f"tower a changes in {child}"
            told.append((child, not torch.equal(first[:, half:], other[:, half:])))
    assert {child for child, changed in told if changed} == ({"conv3", "relu3"} if meets else set())


def test_a_part_of_a_net_is_a_net() -> None:
    net = create("lenet").eval()
    picture = torch.randn(1, 1, 28, 28)
    part = net[:3]
    assert [name for name, _ in part.named_children()] == ["conv1", "relu1", "pool1"]
    assert torch.equal(net[3:](part(picture)), net(picture))
    assert net[0] is net.conv1
