"""The training loop, on one screen."""

from __future__ import annotations

import time

from ..errors import DivergedError, Interrupted
from ..evaluate import evaluate
from ..runs import link_file
from ..weights import write_weights
from .job import Job
from .optimiser import rates_at, set_rates
from .settle import settle_batch_norm
from .state import Sums, save_checkpoint, to_arrays
from .step import batches, update, view
from .stop import Stopped, StopSignals
from .watch import Watch


def _log(job: Job, split: str, rates: dict[str, float]) -> None:
    """One line of `history.jsonl`; epochs count from 1."""
    state = job.state
    row = {"step": state.step, "epoch": state.epoch + 1, "split": split, **rates}
    job.folder.append_history({**row, "lr": state.lr, "seconds": round(state.seconds, 3)})
    state.lines += 1


def _write_best(job: Job) -> None:
    if job.best is not None:
        best = job.folder.checkpoints / "best.safetensors"
        write_weights(best, job.best, job.card)
        link_file(best, job.folder.weights)
        job.best = None


def save(job: Job) -> None:
    """Writes the best weights, if there are new ones, and a checkpoint of where the job stands.

    Raises:
        StorageError: it cannot be written; the earlier ones stay as they are.
    """
    _write_best(job)
    job.saved = time.monotonic()
    save_checkpoint(job.folder, job.net, job.average, job.optimiser, job.state)


def _stop(job: Job, signals: StopSignals) -> Interrupted:
    save(job)
    return Interrupted(
        f"Stopped at step {job.state.step}, in epoch {job.state.epoch + 1}; everything is saved.",
        f"Go on with: alexnet train --resume --run {job.folder.path}",
        signals.number,
    )


def _set_rates(job: Job) -> None:
    """The rates of the step to come."""
    config, state = job.config, job.state
    done = state.epoch + state.position / job.steps_per_epoch
    rates = rates_at(done, config.training.epochs, state.held_out_losses, config.optim, config.schedule)
    set_rates(job.optimiser, rates, keep_velocity=config.optim.keep_velocity)
    state.lr = rates.weights


def _train_epoch(job: Job, signals: StopSignals) -> None:
    """The rest of the epoch under way."""
    state, training = job.state, job.config.training
    job.reporter.begin_epoch(state.epoch + 1, training.epochs, state.whole.n, len(job.data.splits["train"]))
    watch = Watch(job)
    job.net.train()
    begin = time.perf_counter()
    for batch in batches(job, state.epoch, state.position):
        _set_rates(job)
        is_logged = (state.step + 1) % training.log_steps == 0
        with watch.looking(is_logged):
            whole = update(job, batch, signals)
        if not whole:
            raise _stop(job, signals)
        state.batch.seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        state.position, state.step, state.seconds = (
            state.position + 1,
            state.step + 1,
            state.seconds + state.batch.seconds,
        )
        for sums in (state.window, state.whole, state.recent):
            sums.add(state.batch)
        job.reporter.advance(state.batch.n, state.whole.rates())
        if is_logged:
            _log(job, "train", state.window.rates())
            watch.judge(state.window.rates()["loss"])
            state.window = Sums()
        if signals.number:
            raise _stop(job, signals)
        if time.monotonic() - job.saved > 10 * training.save_seconds:
            save(job)


def _settle(job: Job) -> None:
    count = job.config.training.settle_batches
    if count:
        chosen = (batch for _, batch in zip(range(count), batches(job, job.state.epoch), strict=False))
        settle_batch_norm(job.shown, (view(job, job.state.epoch, batch)[0] for batch in chosen), job.machine)


def _evaluate_epoch(job: Job, signals: StopSignals) -> None:
    """Evaluates, logs and keeps the best weights of a finished epoch."""
    state, split = job.state, job.watched_split
    pictures = job.data.splits[split]
    begin = time.perf_counter()
    _settle(job)
    job.reporter.begin_evaluation(split, len(pictures))

    def progress(count: int) -> None:
        job.reporter.advance(count, {})
        signals.check()

    rates = evaluate(job.shown, pictures, job.picture, job.machine, progress=progress).counts.rates()
    seconds = time.perf_counter() - begin
    state.seconds += seconds
    if state.window.n:
        _log(job, "train", state.window.rates())
    shown = {name: float(rates[name]) for name in ("loss", "top1", "top5")}
    _log(job, split, {**shown, "images_per_s": len(pictures) / seconds})
    job.reporter.end_epoch(state.epoch + 1, job.config.training.epochs, state.whole.rates(), shown, split)
    if split == "test" or state.is_better(shown["top1"], shown["loss"]):
        # Test pictures choose nothing: without validation pictures the last epoch is kept.
        state.best_epoch, state.best_top1, state.best_loss = state.epoch + 1, shown["top1"], shown["loss"]
        job.best = {name: array.copy() for name, array in to_arrays(job.shown.state_dict()).items()}
    state.held_out_losses = (*state.held_out_losses, shown["loss"])
    state.window, state.whole = Sums(), Sums()
    state.epoch, state.position = state.epoch + 1, 0


def train_epochs(job: Job) -> None:
    """Trains until the epochs of the settings are done.

    Raises:
        DivergedError: the loss is not finite.
        Interrupted: Ctrl-C or SIGTERM; everything is saved.
        StorageError: a checkpoint cannot be written.
    """
    state = job.state
    with StopSignals() as signals:
        while state.epoch < job.config.training.epochs:
            try:
                _train_epoch(job, signals)
            except DivergedError:
                _write_best(job)
                raise
            try:
                _evaluate_epoch(job, signals)
            except Stopped:
                raise _stop(job, signals) from None
            is_over = state.epoch == job.config.training.epochs
            if signals.number:
                raise _stop(job, signals)
            if is_over or time.monotonic() - job.saved > job.config.training.save_seconds:
                save(job)
