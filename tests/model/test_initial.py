"""The initial values of every weight layer of every variant, against the numbers that its source states."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import alexnet as torchvision_alexnet

from alexnet.model import AlexNet, create
from alexnet.spec import VARIANTS, compute
from alexnet.spec.layers import WEIGHT_LAYERS, Conv, Local

CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5")
TOP = ("fc6", "fc7", "fc8")
NAMES = CONVS + TOP
ONES = (0, 1, 0, 1, 1, 1, 1, 0)
TENTHS = tuple(0.1 * one for one in ONES)
# For layers drawn from N(0, std): name: ((layer, std, bias), …).
PAPER = tuple(zip(NAMES, (0.01,) * 8, ONES, strict=True))
MUSEUM = tuple(zip(NAMES, (0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01), ONES, strict=True))
CAFFE_STD = (0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01)
CIFAR = (("conv1", 1e-4, 0), ("conv2", 0.01, 0), ("conv3", 0.01, 0), ("fc4", 0.01, 0))
CIFAR_LOCAL = (("conv1", 1e-4, 0), ("conv2", 0.01, 0), ("local3", 0.04, 0), ("local4", 0.04, 0), ("fc5", 0.01, 0))
NORMAL = {
    "paper": PAPER,
    **dict.fromkeys(("museum", "museum-half", "museum-no-overlap", "museum-no-norm", "museum-no-links"), MUSEUM),
    "museum-conv6": (*MUSEUM[:5], ("conv6", 0.03, 1), *MUSEUM[5:]),
    "one-tower": PAPER,
    "caffe": tuple(zip(NAMES, CAFFE_STD, TENTHS, strict=True)),
    "caffenet": tuple(zip(NAMES, CAFFE_STD, ONES, strict=True)),
    # kaiming, fan_out, as the tutorial's torch code gives it; then its linear layers
    "half": tuple(zip(NAMES, (0.018558, 0.025, 0.034021, 0.034021, 0.041667, 0.01, 0.01, 0.01), (0,) * 8, strict=True)),
    "cifar-19pct": CIFAR,
    "cifar-18pct": CIFAR,
    "cifar-13pct": CIFAR_LOCAL,
    "cifar-11pct": CIFAR_LOCAL,
}
# For layers drawn uniformly in ±sqrt(6 / (fan_in + fan_out)): (layer, fan_in, fan_out), biases 0.
GLOROT = {
    "gluon": (
        ("conv1", 121, 96 * 121),
        ("conv2", 96 * 25, 256 * 25),
        ("conv3", 256 * 9, 384 * 9),
        ("conv4", 384 * 9, 384 * 9),
        ("conv5", 384 * 9, 256 * 9),
        ("fc6", 6400, 4096),
        ("fc7", 4096, 4096),
        ("fc8", 4096, 10),
    ),
    "lenet": (("conv1", 25, 20 * 25), ("conv2", 20 * 9, 50 * 9), ("fc3", 1250, 128), ("fc4", 128, 10)),
    "keras": (
        ("conv1", 121, 96 * 121),
        ("conv2", 96 * 25, 256 * 25),
        ("conv3", 256 * 9, 384 * 9),
        ("conv4", 384 * 9, 384 * 9),
        ("conv5", 384 * 9, 256 * 9),
        ("fc6", 256, 4096),
        ("fc7", 4096, 2048),
        ("fc8", 2048, 10),
    ),
}
# torchvision: uniform in ±1/sqrt(fan_in), weights and biases.
TORCH = dict(zip(NAMES, (363, 64 * 25, 192 * 9, 384 * 9, 256 * 9, 9216, 4096, 4096), strict=True))


def sampled(values: Tensor) -> Tensor:
    """About a million of the values, spread over all of them: a deviation is known to a thousandth then."""
    return values.detach().flatten()[:: max(values.numel() // 1_000_000, 1)]


def check_normal(weight: Tensor, std: float) -> None:
    """Five standard errors: the deviation, the mean, and the share within one deviation (0.683; uniform: 0.577)."""
    weight = sampled(weight)
    n = len(weight)
    assert abs(weight.std().item() / std - 1) < 5 / math.sqrt(2 * n) + 1e-4
    assert abs(weight.mean().item()) < 5 * std / math.sqrt(n)
    assert abs((weight.abs() < std).double().mean().item() - 0.6827) < 5 * 0.4655 / math.sqrt(n) + 1e-4


def check_uniform(values: Tensor, bound: float) -> None:
    """Never beyond the bound, near it at both ends (e^-20 for a miss), and as far spread as a uniform draw."""
    assert values.abs().max().item() <= bound * (1 + 1e-6)
    values = sampled(values)
    n = len(values)
    slack = 1 - min(40 / n, 0.9)
    assert values.max().item() > bound * slack
    assert values.min().item() < -bound * slack
    assert abs(values.std().item() / (bound / math.sqrt(3)) - 1) < 5 / math.sqrt(4 * n) + 1e-4


def weight_layers(net: AlexNet) -> list[str]:
    return [layer.name for layer in net.spec.layers if isinstance(layer, WEIGHT_LAYERS)]


def test_every_variant_is_in_one_table() -> None:
    assert sorted([*NORMAL, *GLOROT, "torchvision"]) == sorted(VARIANTS)


def test_values_are_as_the_source_says(built: AlexNet) -> None:
    name = built.spec.name
    modules = dict(built.named_children())
    if name in NORMAL:
        assert [row[0] for row in NORMAL[name]] == weight_layers(built)
        for layer, std, bias in NORMAL[name]:
            check_normal(modules[layer].weight, std)
            assert torch.equal(modules[layer].bias, torch.full_like(modules[layer].bias, bias)), layer
    elif name in GLOROT:
        assert [row[0] for row in GLOROT[name]] == weight_layers(built)
        for layer, fan_in, fan_out in GLOROT[name]:
            check_uniform(modules[layer].weight, math.sqrt(6 / (fan_in + fan_out)))
            assert not modules[layer].bias.any(), layer
    else:
        assert list(TORCH) == weight_layers(built)
        for layer, fan_in in TORCH.items():
            check_uniform(modules[layer].weight, 1 / math.sqrt(fan_in))
            check_uniform(modules[layer].bias, 1 / math.sqrt(fan_in))


def test_torchvision_draws_from_the_same_ranges() -> None:
    """The bounds above are those of torch's own layers, not only ours."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        theirs = torchvision_alexnet()
    layers = [module for module in theirs.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for module, fan_in in zip(layers, TORCH.values(), strict=True):
        check_uniform(module.weight, 1 / math.sqrt(fan_in))
        check_uniform(module.bias, 1 / math.sqrt(fan_in))


def test_half_draws_as_torch_calculates_kaiming() -> None:
    printed = (".0186", ".025", ".0340", ".0340", ".0417")
    rows = [row for row in compute(VARIANTS["half"]).layers if isinstance(row.layer, Conv)]
    for row, std, text in zip(rows, NORMAL["half"], printed, strict=False):
        weight = torch.empty(row.layer.filters, row.input[0], row.layer.kernel, row.layer.kernel)
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=torch.Generator().manual_seed(9))
        check_normal(weight, std[1])
        assert std[1] == pytest.approx(float(text), abs=5e-5)


@pytest.mark.parametrize("name", ["lenet", "cifar-11pct", "half"])
def test_seed_repeats_whatever_torch_has_drawn_before(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = create(name, seed=5)
        torch.manual_seed(2)
        again, other = create(name, seed=5), create(name, seed=6)
    for layer in weight_layers(first):
        weights = [dict(net.named_children())[layer].weight for net in (first, again, other)]
        assert torch.equal(weights[0], weights[1]), layer
        assert not torch.equal(weights[0], weights[2]), layer


def test_without_seed_torch_decides() -> None:
    nets = []
    with torch.random.fork_rng():
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            nets.append(create("lenet"))
    assert torch.equal(nets[0].fc3.weight, nets[1].fc3.weight)
    assert not torch.equal(nets[0].fc3.weight, nets[2].fc3.weight)


def test_layers_of_one_net_are_not_copies_of_each_other() -> None:
    net = create("cifar-13pct", seed=1)
    assert isinstance(net.spec.layers[6], Local)
    small = min(net.local3.weight.numel(), net.local4.weight.numel())
    first, second = net.local3.weight.flatten()[:small], net.local4.weight.flatten()[:small]
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 5 / math.sqrt(small)
