"""Schedules, the training mean, settled batch normalisation, and the sizes that a recipe resolves to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.config import RECIPES, OptimConfig, ScheduleConfig, make_config
from alexnet.model import choose_machine
from alexnet.training.optimiser import Rates, make_optimiser, rates_at, set_rates
from alexnet.training.prepare import resolve_sizes
from alexnet.training.settle import settle_batch_norm

OPTIM = OptimConfig(lr=1.0)


def rate_at(*facts: Any) -> float:
    """The rate of the weights."""
    return rates_at(*facts).weights


def test_constant_and_step_schedules() -> None:
    step = ScheduleConfig(rule="step", epochs=3, factor=0.1)
    assert [rate_at(epoch, 9, (), OPTIM, ScheduleConfig()) for epoch in range(3)] == [1, 1, 1]
    assert [rate_at(epoch + 0.9, 9, (), OPTIM, step) for epoch in range(7)] == pytest.approx(
        [1, 1, 1, 0.1, 0.1, 0.1, 0.01]
    )


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ((), 1.0),
        ((3.0, 2.0, 1.0), 1.0),
        ((1.0, 1.0), 1.0),
        ((1.0, 1.0, 2.0), 0.1),
        ((1.0, 2.0, 0.5, 2.0), 1.0),
        ((1.0, 2.0, 2.0, 2.0, 2.0), 0.01),
    ],
)
def test_plateau_waits_two_epochs_without_a_new_best(losses: tuple[float, ...], rate: float) -> None:
    plateau = ScheduleConfig(rule="plateau", epochs=2, factor=0.1)
    assert rate_at(len(losses), 99, losses, OPTIM, plateau) == pytest.approx(rate)


def test_plateau_agrees_with_torch() -> None:
    luck = np.random.default_rng(0)
    losses = tuple(float(loss) for loss in luck.random(60).round(1))
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=2, threshold=0.0, min_lr=1e-4)
    ours = ScheduleConfig(rule="plateau", epochs=3, factor=0.5, min_lr=1e-4)
    for epoch, loss in enumerate(losses):
        assert rate_at(epoch, 99, losses[:epoch], OPTIM, ours) == pytest.approx(optimiser.param_groups[0]["lr"])
        oracle.step(loss)


def test_warm_up_and_cosine_agree_with_torch() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=80, eta_min=0.1)
    ours = ScheduleConfig(rule="cosine", min_lr=0.1, warmup_epochs=2)
    assert [rate_at(done, 10, (), OPTIM, ours) for done in (0.5, 1.0, 1.5)] == pytest.approx([0.25, 0.5, 0.75])
    assert 0 < rate_at(0, 10, (), OPTIM, ours) < 1e-2
    for step in range(81):
        assert rate_at(2 + step / 10, 10, (), OPTIM, ours) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        oracle.step()


def test_the_papers_momentum_rule_through_two_changes_of_the_rate() -> None:
    """v ← m v - d lr w - lr g, w ← w + v, summed directly in float64; biases with twice the rate and no decay."""
    net = nn.Linear(3, 2).double()
    config = OptimConfig(
        lr=0.1, momentum=0.9, weight_decay=0.05, keep_velocity=True, bias_lr_factor=2.0, decay_biases=False
    )
    optimiser = make_optimiser(net, config)
    expected = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    velocity = {name: torch.zeros_like(value) for name, value in expected.items()}
    luck = torch.Generator().manual_seed(0)
    for step in range(30):
        lr = (0.1, 0.01, 0.05)[step // 10]
        set_rates(optimiser, Rates(weights=lr, biases=2 * lr, first=lr), keep_velocity=True)
        for name, parameter in net.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=luck, dtype=torch.float64)
            rate, decay = (2 * lr, 0.0) if name == "bias" else (lr, 0.05)
            velocity[name] = 0.9 * velocity[name] - decay * rate * expected[name] - rate * parameter.grad
            expected[name] = expected[name] + velocity[name]
        optimiser.step()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-12, atol=1e-14)


def test_without_it_the_velocity_changes_with_the_rate() -> None:
    """The two rules differ after a change, so that the test above can fail."""
    ends = []
    for keep in (False, True):
        weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
        optimiser = make_optimiser(nn.ParameterList([weight]), OptimConfig(lr=0.1))
        for lr in (0.1, 0.01):
            set_rates(optimiser, Rates(weights=lr, biases=lr, first=lr), keep_velocity=keep)
            weight.grad = torch.ones_like(weight)
            optimiser.step()
        ends.append(weight.item())
    assert ends == pytest.approx([1 - 0.1 - 0.01 * 1.9, 1 - 0.1 - (0.09 + 0.01)])


def test_a_rate_of_nothing_leaves_a_layer_and_its_velocity_untouched() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimiser = make_optimiser(net, OptimConfig(lr=0.1, weight_decay=0.1, keep_velocity=True))

    def step(first: float) -> None:
        set_rates(optimiser, Rates(weights=0.1, biases=0.1, first=first), keep_velocity=True)
        optimiser.zero_grad(set_to_none=True)
        net(torch.ones(1, 2)).square().sum().backward()
        optimiser.step()

    step(0.1)
    step(0.001)
    first = net[0].weight
    before, velocity = first.detach().clone(), optimiser.state[first]["momentum_buffer"].clone()
    other = net[1].weight.detach().clone()
    for _ in range(3):
        step(0.0)
    assert torch.equal(first, before)
    assert torch.equal(optimiser.state[first]["momentum_buffer"], velocity)
    assert not torch.equal(net[1].weight, other)
    step(0.001)
    assert not torch.equal(first, before)


def test_the_museums_diary() -> None:
    """Reference: the 2012 program's diary of config 145, for weights, biases and conv1."""
    recipe = RECIPES["museum"]
    found = {
        epoch: rates_at(epoch, 91, (), recipe.optim, recipe.schedule) for epoch in (0, 24.9, 25, 51, 66.9, 67, 72, 79)
    }
    assert [rates.weights for rates in found.values()] == pytest.approx(
        [1e-2, 1e-2, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5]
    )
    assert [rates.first for rates in found.values()] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4, 1e-4, 1e-5, 0, 0])
    assert {rates.biases for rates in found.values()} == {0.02}
    assert recipe.training.epochs == 91
    assert recipe.augment.colour_epochs == 67


def test_settled_statistics_are_the_plain_average() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, momentum=0.01), nn.Dropout(0.9))
    batches = [torch.randn(8, 1, 3, 3) + shift for shift in range(4)]
    machine = choose_machine("cpu", "fp32")
    net.train()
    assert settle_batch_norm(net, batches, machine) == 4
    with torch.no_grad():
        means = torch.stack([net[0](batch).mean((0, 2, 3)) for batch in batches]).mean(0)
        spreads = torch.stack([net[0](batch).var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(net[1].running_mean, means)
    torch.testing.assert_close(net[1].running_var, spreads)
    assert net[1].momentum == 0.01
    assert all(module.training for module in net.modules())
    assert settle_batch_norm(nn.Sequential(nn.Linear(1, 1)), batches, machine) == 0


def test_settling_does_not_move_the_generator() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5))
    before = torch.get_rng_state()
    settle_batch_norm(net, [torch.randn(2, 1, 2, 2, generator=torch.Generator())], choose_machine("cpu", "fp32"))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("model", "settings", "sizes"),
    [
        ("museum", {}, (224, 256)),
        ("paper", {}, (227, 256)),
        ("half", {}, (224, 224)),
        ("keras", {}, (28, 28)),
        ("museum", {"model.image_size": 112}, (112, 128)),
        ("half", {"model.image_size": 96}, (96, 96)),
        ("half", {"picture.resize": 256}, (224, 256)),
    ],
)
def test_sizes_keep_the_recipes_margin(model: str, settings: dict[str, int], sizes: tuple[int, int]) -> None:
    assert resolve_sizes(make_config("x", model, settings)) == sizes
