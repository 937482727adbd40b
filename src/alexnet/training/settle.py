"""Batch normalisation's statistics, estimated before an evaluation rather than averaged along the way.

A running average that gives each batch 1 % (Keras's 0.99) still remembers its arbitrary start after a few hundred
steps; evaluated with it, a net that has learnt well looks as if it had not. Estimated anew, each batch weighs the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..model import Machine, logits_of


@torch.no_grad()
def settle_batch_norm(net: nn.Module, batches: Iterable[Tensor], machine: Machine) -> int:
    """Sets every running mean and variance to the plain average over `batches`.

    The rest of the net computes as in evaluation, without dropout. Training itself never reads these statistics, so
    that it goes on as if nothing had been done.

    Args:
        batches: `float32[B, C, S, S]` each, training pictures.

    Returns:
        The number of batches used; 0 where the net has no batch normalisation.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return 0
    was_training, momenta = net.training, [norm.momentum for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.train()
    count = 0
    for batch in batches:
        logits_of(net, batch, machine)
        count += 1
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.train(was_training)
    return count
