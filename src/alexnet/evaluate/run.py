"""Runs a net over a split: every picture exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import PictureSet, centre_view, ten_views
from ..model import Machine, logits_of
from ..spec import PictureSpec
from .counts import Counts

BATCH_SIZE = 128


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a net says about a split.

    Args:
        counts: integer counts and the summed loss.
        probabilities: `float32[N, K]`, in the order of the split.
    """

    counts: Counts
    probabilities: NDArray[np.float32]


def probabilities_of(net: nn.Module, pixels: Tensor, picture: PictureSpec, machine: Machine, views: int = 1) -> Tensor:
    """`float32[B, K]`: softmax, averaged over the views as probabilities (paper, section 4.1).

    Args:
        pixels: `uint8[B, C, P, P]`.
        views: 1 for the centre, 10 for corners, centre and their mirror pictures.
    """
    if views == 1:
        return logits_of(net, centre_view(pixels, picture), machine).softmax(1)
    answers = [logits_of(net, view, machine).softmax(1) for view in ten_views(pixels, picture)]
    return torch.stack(answers).mean(0)


@torch.no_grad()
def evaluate(
    net: nn.Module,
    pictures: PictureSet,
    picture: PictureSpec,
    machine: Machine,
    *,
    views: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """The net's answers to every picture of a split, counted.

    Args:
        net: is switched to evaluation, and back if it was training.
        progress: called with the number of pictures of each batch.

    Raises:
        ConfigError: ten views of pictures that are no larger than the net's input.
    """
    was_training = net.training
    net.eval()
    counts: Counts | None = None
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(pictures), BATCH_SIZE):
        index = np.arange(start, min(start + BATCH_SIZE, len(pictures)))
        pixels, labels = pictures.batch(index)
        batch = torch.from_numpy(np.array(pixels)).to(machine.device)
        answer = probabilities_of(net, batch, picture, machine, views).cpu().numpy()
        counts = counts or Counts(answer.shape[1])
        counts.add(answer, labels)
        rows.append(answer)
        if progress is not None:
            progress(len(index))
    net.train(was_training)
    assert counts is not None, "a split is never empty"
    return Result(counts=counts, probabilities=np.concatenate(rows))
