"""The same training with several seeds: mean and spread instead of one lucky number."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import ConfigError, WeightsError
from ..runs import RunFolder, make_folder, new_run, write_json
from .reporting import Reporter, Silent
from .run import Run, train_new, train_on

RATES = ("top1", "top5", "loss")


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """Finished trainings that differ by their seed alone.

    Args:
        folder: holds a run folder `seed-<seed>` for each, and `seeds.json`.
    """

    folder: Path
    runs: tuple[Run, ...]

    def summary(self) -> dict[str, Any]:
        """Mean and spread (the sample's standard deviation) of each rate, and each run's summary."""
        found: dict[str, Any] = {"run": str(self.folder), "n": len(self.runs)}
        for name in RATES:
            values = [float(run.metrics[name]) for run in self.runs]
            found[name] = {"mean": statistics.fmean(values), "spread": statistics.stdev(values), "values": values}
        return {**found, "runs": [{"seed": run.metrics["seed"], **run.summary()} for run in self.runs]}


def _train_one(config: RunConfig, path: Path, typed: Mapping[str, Any], reporter: Reporter) -> Run:
    """A run's result: read if it is finished, gone on with if it was begun, else trained."""
    folder = RunFolder(path)
    if not folder.config.exists():
        return train_new(config, run=path, reporter=reporter)
    if folder.metrics.exists():
        metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
        if metrics["epochs"] >= config.training.epochs:
            return Run(folder=path, metrics=metrics)
    return train_on(path, {**typed, "training.seed": config.training.seed}, reporter=reporter)


def train_seeds(
    config: RunConfig,
    count: int,
    *,
    run: Path | None = None,
    resume: bool = False,
    typed: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Seeds:
    """Trains with `count` seeds, from the configured one on.

    Args:
        run: the folder for all; by default `runs/<data>-<model>-seeds-<n>/`.
        resume: go on in `run`: finished runs are read, begun ones gone on with.
        typed: the settings that a person typed; those of a begun run must agree.

    Raises:
        ConfigError: fewer than two, or resumed without a folder.
        AlexNetError: as `train_new` and `train_on`.
    """
    if count < 2:
        raise ConfigError(f"--seeds {count} has no spread.", "Give at least 2.")
    reporter = reporter or Silent()
    if resume:
        if run is None:
            raise ConfigError("--resume with --seeds needs the folder of the runs.", "Name it with --run.")
        if not run.is_dir():
            raise WeightsError(f"There is no folder {run}.", "Runs lie under runs/; `ls runs` lists them.")
        folder = run
    else:
        folder = new_run(config.data.name, f"{config.model.name}-seeds", run).path
    runs = []
    for number in range(count):
        seed = config.training.seed + number
        reporter.note(f"Seed {seed}, {number + 1} of {count}")
        one = replace(config, training=replace(config.training, seed=seed))
        runs.append(_train_one(one, folder / f"seed-{seed}", typed or {}, reporter))
    seeds = Seeds(folder=make_folder(folder), runs=tuple(runs))
    write_json(folder / "seeds.json", seeds.summary())
    return seeds
