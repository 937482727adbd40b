"""Schedules, the training mean, settled batch normalisation, and the sizes that a recipe resolves to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from alexnet.config import OptimConfig, ScheduleConfig, make_config
from alexnet.data import open_data
from alexnet.model import choose_machine
from alexnet.training.optimiser import rate_at
from alexnet.training.prepare import resolve_sizes, training_mean
from alexnet.training.settle import settle_batch_norm

OPTIM = OptimConfig(lr=1.0)


def test_constant_and_step_schedules() -> None:
    step = ScheduleConfig(rule="step", epochs=3, factor=0.1)
    assert [rate_at(epoch, (), OPTIM, ScheduleConfig()) for epoch in range(3)] == [1, 1, 1]
    assert [rate_at(epoch, (), OPTIM, step) for epoch in range(7)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])


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
    assert rate_at(len(losses), losses, OPTIM, plateau) == pytest.approx(rate)


def test_plateau_agrees_with_torch() -> None:
    luck = np.random.default_rng(0)
    losses = tuple(float(loss) for loss in luck.random(60).round(1))
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=2, threshold=0.0, min_lr=1e-4)
    ours = ScheduleConfig(rule="plateau", epochs=3, factor=0.5, min_lr=1e-4)
    for epoch, loss in enumerate(losses):
        assert rate_at(epoch, losses[:epoch], OPTIM, ours) == pytest.approx(optimiser.param_groups[0]["lr"])
        oracle.step(loss)


def test_training_mean_is_the_mean_of_every_pixel(shapes: Path) -> None:
    train = open_data(str(shapes)).splits["train"]
    pictures = [np.asarray(Image.open(shapes / name).convert("RGB"), np.float64) for name in train.names]
    expected = np.mean([picture.mean(axis=(0, 1)) for picture in pictures], axis=0)
    assert training_mean(train, 3, 1.0) == pytest.approx(expected, abs=1e-9)
    assert training_mean(train, 3, 1 / 255) == pytest.approx(expected / 255, abs=1e-9)
    assert training_mean(train, 1, 1.0)[0] == pytest.approx(expected @ [0.299, 0.587, 0.114], abs=0.01)


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
