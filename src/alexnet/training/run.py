"""A training from beginning to end: a new run, or one that goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import RunConfig, read_config, to_plain
from ..errors import ConfigError, DataError, WeightsError
from ..model import choose_machine
from ..runs import RunFolder, RunLock, find_run, new_run, write_json
from .finish import finish
from .loop import fingerprint, train_epochs
from .prepare import describe_settings, open_pictures, prepare, write_facts
from .reporting import Reporter, Silent
from .state import load_newest

MAY_CHANGE = ("training.epochs", "training.device")
"""The settings that a resumed run may change; all others decide what it computes."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training.

    Args:
        folder: where everything lies.
        metrics: the content of `metrics.json`: `n`, `top1`, `top5`, `loss`, `epochs`, `steps`, `seconds`, ….
    """

    folder: Path
    metrics: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """What `train --json` prints."""
        keys = ("epochs", "steps", "top1", "top5", "loss", "seconds")
        return {"run": str(self.folder), **{key: self.metrics[key] for key in keys}}


def train_new(config: RunConfig, *, run: Path | None = None, reporter: Reporter | None = None) -> Run:
    """Trains into a new run folder.

    Args:
        run: the folder; by default `runs/<data>-<model>-<n>/`.

    Raises:
        ConfigError, DataError, DivergedError, StorageError, RunInUseError: see the messages; the exit codes differ.
        Interrupted: by Ctrl-C or SIGTERM, after a good save.
    """
    reporter = reporter or Silent()
    choose_machine(config.training.device, config.training.precision)
    data = open_pictures(config, reporter)
    folder = new_run(config.data.name, config.model.name, run)
    lock = RunLock(folder)
    try:
        job = prepare(config, folder, data, reporter)
        write_facts(folder, job.config, data)
        reporter.note(describe_settings(job.config, data, job))
        train_epochs(job)
        return Run(folder=folder.path, metrics=finish(job))
    finally:
        reporter.close()
        lock.release()


def read_run_config(folder: RunFolder) -> RunConfig:
    """The settings that a run was made with.

    Raises:
        WeightsError: `config.json` cannot be parsed.
        ConfigError: it is of another version, or holds an unknown setting.
    """
    try:
        plain = json.loads(folder.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder.config} cannot be read: {error}.") from error
    return read_config(plain)


def _changed(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The stored settings with those that may change; any other that differs is refused."""
    plain = to_plain(config)
    for path, value in settings.items():
        branch, _, name = path.partition(".")
        if path in MAY_CHANGE:
            plain[branch][name] = value
        elif plain.get(branch, {}).get(name) != value:
            raise ConfigError(
                f"This run was made with {path} = {plain.get(branch, {}).get(name)!r}; it cannot go on with {value!r}.",
                f"A resumed run may change {' and '.join(MAY_CHANGE)}; train anew for anything else.",
            )
    return read_config(plain)


def train_on(run: Path, settings: Mapping[str, Any] | None = None, *, reporter: Reporter | None = None) -> Run:
    """Goes on with an interrupted run, or trains a finished one for more epochs.

    Args:
        settings: what was typed beside `--resume`; only the number of epochs and the device may differ.

    Raises:
        WeightsError: no run or no readable checkpoint is there.
        DataError: the training pictures are no longer the same.
    """
    reporter = reporter or Silent()
    folder = find_run(run)
    config = _changed(read_run_config(folder), settings or {})
    lock = RunLock(folder)
    try:
        data = open_pictures(config, reporter)
        job = prepare(config, folder, data, reporter)
        state, skipped = load_newest(folder, job.net, job.optimiser)
        for reason in skipped:
            reporter.note(f"A newer checkpoint was passed over: {reason}")
        if state.data != fingerprint(data.splits["train"]):
            raise DataError(
                f"The training pictures of «{data.name}» are no longer those that {folder.path} was trained on.",
                "Bring them back, or train anew.",
            )
        job = replace(job, state=state)
        write_json(folder.config, to_plain(job.config))
        folder.cut_history(state.lines)
        reporter.note(describe_settings(job.config, data, job))
        reporter.note(f"Going on from step {state.step}, epoch {state.epoch + 1}.")
        train_epochs(job)
        return Run(folder=folder.path, metrics=finish(job))
    finally:
        reporter.close()
        lock.release()
