"""The update rules and how their rate changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..config import OptimConfig, ScheduleConfig


def make_optimiser(net: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """The rule that the settings name, over all of the net's parameters."""
    if config.rule == "adam":
        betas = (config.momentum, 0.999)
        return torch.optim.Adam(
            net.parameters(), lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        net.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )


def _drops_on_plateau(losses: Sequence[float], patience: int) -> int:
    """How often the loss has gone `patience` epochs without a new best; each drop starts a new count."""
    drops, best, waited = 0, float("inf"), 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == patience:
            drops, waited = drops + 1, 0
    return drops


def rate_at(epoch: int, held_out_losses: Sequence[float], optim: OptimConfig, schedule: ScheduleConfig) -> float:
    """The learning rate of an epoch, a pure function of its number and the held-out losses so far.

    Args:
        epoch: from 0.
        held_out_losses: one for each finished epoch; used by `plateau` alone.
    """
    if schedule.rule == "step":
        return optim.lr * schedule.factor ** (epoch // schedule.epochs)
    if schedule.rule == "plateau":
        drops = _drops_on_plateau(held_out_losses, schedule.epochs)
        return max(optim.lr * schedule.factor**drops, min(schedule.min_lr, optim.lr))
    return optim.lr


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Changes the rate of every group of parameters."""
    for group in optimiser.param_groups:
        group["lr"] = lr
