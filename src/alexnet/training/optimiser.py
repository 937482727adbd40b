"""The update rules and how their rate changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from ..config import OptimConfig, ScheduleConfig


def make_optimiser(net: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """The rule that the settings name, over all parameters; biases may have a rate and a decay of their own."""
    biases = [parameter for name, parameter in net.named_parameters() if name.endswith("bias")]
    known = set(biases)
    groups = [
        {"params": [parameter for parameter in net.parameters() if parameter not in known], "factor": 1.0},
        {
            "params": biases,
            "factor": config.bias_lr_factor,
            "weight_decay": config.weight_decay if config.decay_biases else 0.0,
        },
    ]
    optimiser: torch.optim.Optimizer
    if config.rule == "adam":
        betas = (config.momentum, 0.999)
        optimiser = torch.optim.Adam(groups, lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=True)
    else:
        optimiser = torch.optim.SGD(
            groups, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
        )
    set_rate(optimiser, config.lr)
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


def rate_at(
    done: float, epochs: int, held_out_losses: Sequence[float], optim: OptimConfig, schedule: ScheduleConfig
) -> float:
    """The learning rate, a pure function of how much is done and of the held-out losses so far.

    Args:
        done: epochs done, with the fraction of the one under way.
        epochs: in all; used by `cosine` alone.
        held_out_losses: one for each finished epoch; used by `plateau` alone.
    """
    if done < schedule.warmup_epochs:
        return optim.lr * max(done, 1e-3) / schedule.warmup_epochs
    if schedule.rule == "step":
        return optim.lr * schedule.factor ** (int(done) // schedule.epochs)
    if schedule.rule == "plateau":
        drops = _drops_on_plateau(held_out_losses, schedule.epochs)
        return max(optim.lr * schedule.factor**drops, min(schedule.min_lr, optim.lr))
    if schedule.rule == "cosine":
        share = (done - schedule.warmup_epochs) / max(epochs - schedule.warmup_epochs, 1e-9)
        floor = min(schedule.min_lr, optim.lr)
        return floor + (optim.lr - floor) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
    return optim.lr


def set_rate(optimiser: torch.optim.Optimizer, lr: float, *, keep_velocity: bool = False) -> None:
    """Changes the rate of every group of parameters.

    Args:
        keep_velocity: the paper's rule. It moves weights by a velocity v ← m v - lr g, which a change of lr leaves
            as it is. PyTorch keeps b = -v / lr instead, which must then grow by the ratio of the rates. At a
            constant rate both rules are the same.

    Source: paper, section 5; the 2012 program's `weights.cu`; Caffe's SGD solver.
    """
    for group in optimiser.param_groups:
        rate = lr * group["factor"]
        if keep_velocity and rate != group["lr"]:
            for parameter in group["params"]:
                buffer = optimiser.state.get(parameter, {}).get("momentum_buffer")
                if buffer is not None:
                    buffer.mul_(group["lr"] / rate)
        group["lr"] = rate
