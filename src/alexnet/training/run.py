"""A training from beginning to end: a new run, or one that goes on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..config import RunConfig, read_config, to_plain
from ..data import DataSet
from ..errors import ConfigError, DataError, Interrupted, Terminated, WeightsError, nearest
from ..model import choose_machine
from ..runs import RunFolder, RunLock, discard_run, find_run, new_run, write_json
from .finish import finish
from .job import Job
from .loop import save, train_epochs
from .optimiser import make_optimiser
from .prepare import describe_settings, fingerprint, open_pictures, prepare, write_facts
from .reporting import Reporter, Silent
from .signal_check import check_signal
from .state import State, check_room, load_newest

MAY_CHANGE = ("training.epochs", "training.device", "training.save_seconds", "data.root")
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
        return _complete(_begin(config, folder, data, reporter))
    finally:
        reporter.close()
        lock.release()


def _begin(config: RunConfig, folder: RunFolder, data: DataSet, reporter: Reporter) -> Job:
    """A new job with its facts and a checkpoint of step 0 written, so that it can be resumed from the first moment.

    Nothing is left behind if that fails.
    """
    try:
        job = prepare(config, folder, data, reporter)
        check_room(folder, job.net, job.average, config.optim)
        job = _make_stable(job)
        write_facts(folder, job.config, data)
        save(job)
    except BaseException:
        discard_run(folder)
        raise
    return job


def _make_stable(job: Job) -> Job:
    """The job with a stable rate, and with what the signal check foretells said and written to `signal.json`.

    A rate that a person has chosen is kept (`optim.lower_lr`).
    """
    found = check_signal(job)
    optim, verdicts = job.config.optim, found.verdicts()
    if optim.lower_lr and found.stable_rate < optim.lr:
        job.reporter.note(
            f"The recipe's rate {optim.lr:g} is {found.ratio:.2g} times the largest that is stable for this net and"
            f" data ({found.largest_rate:.2g}); {found.stable_rate:g} is taken. --lr {optim.lr:g} insists."
        )
        optim = replace(optim, lr=found.stable_rate)
        verdicts = replace(found, rate=optim.lr).verdicts()
        job = replace(job, config=replace(job.config, optim=optim), optimiser=make_optimiser(job.net, optim))
        job.state.lr = optim.lr
    write_json(job.folder.signal, {**asdict(found), "taken": optim.lr, "verdicts": verdicts})
    for text in verdicts.values():
        job.reporter.note(f"Foretold: {text}")
    return job


def _complete(job: Job) -> Run:
    """Trains what is left and writes the result.

    Raises:
        Interrupted: also by a signal while the result is written.
    """
    job.reporter.note(describe_settings(job.config, job.data, job))
    train_epochs(job)
    try:
        metrics = finish(job)
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
        again = f"Write it with: alexnet train --resume --run {job.folder.path}"
        raise Interrupted("Stopped: the training is done and saved, its report is not.", again, number) from stop
    return Run(folder=job.folder.path, metrics=metrics)


def read_run_config(folder: RunFolder) -> RunConfig:
    """The settings that a run was made with.

    Raises:
        WeightsError: `config.json` cannot be parsed.
        ConfigError: it is of another version, or holds an unknown setting.
    """
    try:
        plain = json.loads(folder.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder.config} cannot be read: {error}.", "Restore it, or train anew.") from error
    return read_config(plain)


def _changed(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The stored settings with those that may change; any other that differs is refused."""
    plain = to_plain(config)
    for path, value in settings.items():
        branch, _, name = path.partition(".")
        if path in MAY_CHANGE:
            plain[branch][name] = value
        elif name not in plain.get(branch, {}):
            known = plain.get(branch) or [key for key, values in plain.items() if isinstance(values, dict)]
            raise ConfigError(f"There is no setting «{path}».", nearest(name, known, f"{branch}."))
        elif plain[branch][name] != value:
            raise ConfigError(
                f"This run was made with {path} = {plain[branch][name]!r}; it cannot go on with {value!r}.",
                f"A resumed run may change {', '.join(MAY_CHANGE)}; train anew for anything else.",
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
        state, skipped = load_newest(folder, job.net, job.average, job.optimiser)
        for reason in skipped:
            reporter.note(f"A newer checkpoint was passed over: {reason}")
        _check_state(state, job)
        job = replace(job, state=state, saved=time.monotonic())
        check_room(folder, job.net, job.average, job.config.optim)
        write_facts(folder, job.config, data)
        folder.cut_history(state.lines)
        folder.cut_advice(len(state.said))
        folder.remove_half_written()
        reporter.note(f"Going on from step {state.step}, epoch {state.epoch + 1}.")
        return _complete(job)
    finally:
        reporter.close()
        lock.release()


def _check_state(state: State, job: Job) -> None:
    """Refuses other pictures than before, and fewer epochs than are done."""
    if state.data != fingerprint(job.data.splits["train"]):
        raise DataError(
            f"The training pictures of «{job.data.name}» are no longer those that {job.folder.path} was trained on.",
            "Bring them back, or train anew.",
        )
    if state.epoch > job.config.training.epochs:
        raise ConfigError(
            f"{job.folder.path} has {state.epoch} epochs behind it; it cannot have {job.config.training.epochs}.",
            f"Give at least --epochs {state.epoch}.",
        )
