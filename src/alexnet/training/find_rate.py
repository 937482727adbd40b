"""The learning-rate finder: one short training in which the rate grows from step to step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import ConfigError, DivergedError
from ..figures import draw_rates
from ..model import choose_machine
from ..runs import discard_run, new_run, write_bytes, write_csv, write_json
from .job import Job
from .optimiser import Rates, set_rates
from .prepare import open_pictures, prepare
from .reporting import Reporter, Silent
from .signal_check import MARGIN, check_signal
from .step import Batch, batches, update
from .stop import StopSignals

LOWEST, HIGHEST = 1e-6, 1.0
SMOOTHING = 0.9
SETTLED = 10
"""The first averages are of too few batches to be compared."""
WORSE = 3.0
"""The search ends where the smoothed loss is so many times its lowest."""


@dataclass(frozen=True, kw_only=True)
class RateSearch:
    """What a search found.

    Args:
        folder: where the plot and the table lie.
        rates, losses: of each step; losses are smoothed.
        lowest: the rate at the lowest loss.
        largest_stable: what the signal check says; None for Adam.
    """

    folder: Path
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    lowest: float
    largest_stable: float | None

    @property
    def suggested(self) -> float:
        """A tenth of the rate at the lowest loss, and never above half the largest stable one; one digit."""
        stable = MARGIN * self.largest_stable if self.largest_stable else math.inf
        return float(f"{min(self.lowest / 10, stable):.0e}")

    def summary(self) -> dict[str, Any]:
        """What `train --find-lr --json` prints."""
        return {
            "run": str(self.folder),
            "suggested": self.suggested,
            "lowest": self.lowest,
            "largest_stable": self.largest_stable,
            "rates": self.rates,
            "losses": self.losses,
        }


def _endless(job: Job) -> Iterator[Batch]:
    for epoch in itertools.count():
        job.state.epoch = epoch
        yield from batches(job, epoch)


def _climb(job: Job, steps: int) -> tuple[list[float], list[float]]:
    """The rates and the smoothed losses, up to where the loss explodes."""
    rates: list[float] = []
    losses: list[float] = []
    average, lowest = 0.0, math.inf
    growth = (HIGHEST / LOWEST) ** (1 / (steps - 1))
    factor = job.config.optim.bias_lr_factor
    job.net.train()
    for number, batch in zip(range(steps), _endless(job), strict=False):
        rate = LOWEST * growth**number
        set_rates(job.optimiser, Rates(weights=rate, biases=rate * factor, first=rate), keep_velocity=True)
        job.state.lr = rate
        try:
            update(job, batch, StopSignals())  # nothing is saved here, so that a signal simply ends it
        except DivergedError:
            break
        average = SMOOTHING * average + (1 - SMOOTHING) * job.state.batch.loss / job.state.batch.n
        smooth = average / (1 - SMOOTHING ** (number + 1))
        rates.append(rate)
        losses.append(smooth)
        lowest = min(lowest, smooth)
        job.reporter.advance(job.state.batch.n, job.state.batch.rates())
        if number > steps // 10 and smooth > WORSE * lowest:
            break
    return rates, losses


def find_rate(
    config: RunConfig, *, run: Path | None = None, steps: int = 120, reporter: Reporter | None = None
) -> RateSearch:
    """Trains for some steps, the rate growing from 1e-6 to 1, and writes the loss over the rate.

    Args:
        run: the folder; by default `runs/<data>-<model>-find-lr-<n>/`.
        steps: updates at most; at least 20.

    Raises:
        ConfigError, DataError, StorageError: see the messages.

    Source: Smith 2017, «Cyclical learning rates for training neural networks», section 3.3.
    """
    if steps < 20:
        raise ConfigError(f"A search of {steps} steps shows nothing.", "Give at least 20.")
    reporter = reporter or Silent()
    choose_machine(config.training.device, config.training.precision)
    data = open_pictures(config, reporter)
    folder = new_run(config.data.name, f"{config.model.name}-find-lr", run)
    try:
        job = prepare(config, folder, data, reporter)
        reporter.begin_epoch(1, 1, 0, min(steps * config.training.batch_size, steps * len(data.splits["train"])))
        largest = check_signal(job).largest_rate
        rates, losses = _climb(job, steps)
        if not losses:
            raise DivergedError(
                "The loss is not finite at a rate of 1e-06.", "Look at the data and the scale of the input."
            )
        found = RateSearch(
            folder=folder.path,
            rates=tuple(rates),
            losses=tuple(losses),
            lowest=rates[min(range(min(SETTLED, len(losses) - 1), len(losses)), key=losses.__getitem__)],
            largest_stable=largest,
        )
        write_csv(folder.path / "find-lr.csv", ("lr", "loss"), zip(rates, losses, strict=True))
        write_json(folder.path / "find-lr.json", found.summary())
        marks = {
            "suggested": found.suggested,
            **({"largest stable": largest} if largest and largest <= HIGHEST else {}),
        }
        write_bytes(folder.path / "find-lr.png", draw_rates(rates, losses, marks))
    except BaseException:
        discard_run(folder)
        raise
    finally:
        reporter.close()
    return found
