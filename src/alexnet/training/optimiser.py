"""The update rules and how their rate changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import nn

from ..config import OptimConfig, ScheduleConfig


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The learning rates of a step: of the weights, of the biases, and of the first layer's weights."""

    weights: float
    biases: float
    first: float


def make_optimiser(net: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """The rule that the settings name, over all parameters, in three groups as in `Rates`."""
    biases = [parameter for name, parameter in net.named_parameters() if name.endswith("bias")]
    known = set(biases)
    first, *others = [parameter for parameter in net.parameters() if parameter not in known]
    groups: list[dict[str, Any]] = [
        {"params": others},
        {"params": biases, "weight_decay": config.weight_decay if config.decay_biases else 0.0},
        {"params": [first]},
    ]
    optimiser: torch.optim.Optimizer
    if config.rule == "adam":
        betas = (config.momentum, 0.999)
        optimiser = torch.optim.Adam(groups, lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=True)
    else:
        optimiser = torch.optim.SGD(
            groups, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
        )
    set_rates(optimiser, Rates(weights=config.lr, biases=config.lr * config.bias_lr_factor, first=config.lr))
    return optimiser


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


def _rate_at(
    done: float, epochs: int, held_out_losses: Sequence[float], optim: OptimConfig, schedule: ScheduleConfig
) -> float:
    if done < schedule.warmup_epochs:
        return optim.lr * max(done, 1e-3) / schedule.warmup_epochs
    if schedule.rule == "step":
        return optim.lr * schedule.factor ** (int(done) // schedule.epochs)
    if schedule.rule == "milestones":
        return optim.lr * schedule.factor ** sum(done >= epoch for epoch in schedule.milestones)
    if schedule.rule == "plateau":
        drops = _drops_on_plateau(held_out_losses, schedule.epochs)
        return max(optim.lr * schedule.factor**drops, min(schedule.min_lr, optim.lr))
    if schedule.rule == "cosine":
        share = (done - schedule.warmup_epochs) / max(epochs - schedule.warmup_epochs, 1e-9)
        floor = min(schedule.min_lr, optim.lr)
        return floor + (optim.lr - floor) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
    return optim.lr


def rates_at(
    done: float, epochs: int, held_out_losses: Sequence[float], optim: OptimConfig, schedule: ScheduleConfig
) -> Rates:
    """The learning rates, a pure function of how much is done and of the held-out losses so far.

    Args:
        done: epochs done, with the fraction of the one under way.
        epochs: in all; used by `cosine` alone.
        held_out_losses: one for each finished epoch; used by `plateau` alone.
    """
    rate = _rate_at(done, epochs, held_out_losses, optim, schedule)
    first = rate
    for epoch, factor in zip(schedule.first_layer_milestones, schedule.first_layer_factors, strict=True):
        if done >= epoch:
            first = optim.lr * factor
    return Rates(weights=rate, biases=(optim.lr if schedule.hold_biases else rate) * optim.bias_lr_factor, first=first)


def set_rates(optimiser: torch.optim.Optimizer, rates: Rates, *, keep_velocity: bool = False) -> None:
    """Changes the rate of each group of parameters; at a rate of 0 its parameters and their velocity stay untouched.

    Args:
        keep_velocity: the paper's rule. It moves weights by a velocity v ← m v - lr g, which a change of lr leaves
            as it is. PyTorch keeps b = -v / lr instead, which must then grow by the ratio of the rates. At a
            constant rate both rules are the same.

    Source: paper, section 5; the 2012 program's `weights.cu`; Caffe's SGD solver.
    """
    for group, rate in zip(optimiser.param_groups, astuple(rates), strict=True):
        for parameter in group["params"]:
            parameter.requires_grad_(rate > 0)
        if rate == 0:
            continue
        if keep_velocity and rate != group["lr"]:
            for parameter in group["params"]:
                buffer = optimiser.state.get(parameter, {}).get("momentum_buffer")
                if buffer is not None:
                    buffer.mul_(group["lr"] / rate)
        group["lr"] = rate
