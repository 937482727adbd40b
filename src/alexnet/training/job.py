"""Everything that a training works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel

from ..config import RunConfig
from ..data import Colours, DataSet
from ..model import AlexNet, Machine
from ..runs import RunFolder
from ..spec import PictureSpec
from ..weights import Card
from .reporting import Reporter
from .state import State


@dataclass(kw_only=True)
class Job:
    """A training and where it stands.

    Args:
        colours: the principal components for colour noise, where the settings ask for it.
        average: the moving average of the weights, where the settings ask for it.
        saved: when the last checkpoint was written, on the monotonic clock.
        best: the best weights, as long as they are not written.
    """

    config: RunConfig
    data: DataSet
    picture: PictureSpec
    colours: Colours | None
    net: AlexNet
    average: AveragedModel | None
    optimiser: torch.optim.Optimizer
    machine: Machine
    folder: RunFolder
    state: State
    reporter: Reporter
    card: Card
    saved: float = 0.0
    best: dict[str, NDArray[Any]] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Updates that visit every training picture once."""
        return -(-len(self.data.splits["train"]) // self.config.training.batch_size)

    @property
    def watched_split(self) -> str:
        """The held-out pictures that are evaluated after each epoch."""
        return "val" if "val" in self.data.splits else "test"

    @property
    def shown(self) -> AlexNet:
        """The net that is evaluated and kept: the average, or else the one that is trained."""
        net = self.net if self.average is None else self.average.module
        assert isinstance(net, AlexNet)
        return net
