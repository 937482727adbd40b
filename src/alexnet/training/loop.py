"""The training loop, on one screen."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import RunConfig
from ..data import DataSet, PictureSet, epoch_order, training_view
from ..errors import DivergedError, Interrupted
from ..evaluate import evaluate
from ..model import AlexNet, Machine, logits_of
from ..runs import RunFolder, link_file
from ..spec import PictureSpec
from ..weights import Card, write_weights
from .optimiser import rate_at, set_rate
from .reporting import Reporter
from .settle import settle_batch_norm
from .state import State, Sums, save_checkpoint, to_arrays
from .stop import Stopped, StopSignals

SAVE_SECONDS = 600
"""A checkpoint is written after every epoch, and at least so often."""


@dataclass
class Job:
    """Everything that a training works with."""

    config: RunConfig
    data: DataSet
    picture: PictureSpec
    net: AlexNet
    optimiser: torch.optim.Optimizer
    machine: Machine
    folder: RunFolder
    state: State
    reporter: Reporter
    card: Card

    @property
    def steps_per_epoch(self) -> int:
        """Updates that visit every training picture once."""
        return -(-len(self.data.splits["train"]) // self.config.training.batch_size)

    @property
    def watched_split(self) -> str:
        """The held-out pictures that are evaluated after each epoch."""
        return "val" if "val" in self.data.splits else "test"


def fingerprint(pictures: PictureSet) -> str:
    """A digest of the names and labels, by which a resumed run knows its data again."""
    text = "\n".join(pictures.names).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text + pictures.labels.tobytes()).hexdigest()[:16]


def _batches(job: Job, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`float32[B, C, S, S]` and `int64[B]` from batch `first` on; every picture once, the last batch may be smaller."""
    pictures, training = job.data.splits["train"], job.config.training
    order = epoch_order(training.seed, epoch, len(pictures))
    for start in range(first * training.batch_size, len(order), training.batch_size):
        index = order[start : start + training.batch_size]
        pixels, labels = pictures.batch(index)
        batch = torch.from_numpy(np.array(pixels)).to(job.machine.device)
        view = training_view(batch, job.picture, job.config.augment, seed=training.seed, epoch=epoch, index=index)
        yield view, torch.from_numpy(labels).to(job.machine.device)


def _step(job: Job, pictures: Tensor, labels: Tensor) -> tuple[float, int, int]:
    """One update; (loss, top-1 count, top-5 count) of the batch before it.

    Raises:
        DivergedError: the loss is not finite; the weights stay as they were.
    """
    logits = logits_of(job.net, pictures, job.machine)
    loss = F.cross_entropy(logits, labels, label_smoothing=job.config.training.label_smoothing)
    if not torch.isfinite(loss):
        rate = job.state.lr
        raise DivergedError(
            f"The loss is {loss.item()} at step {job.state.step + 1} (epoch {job.state.epoch + 1}, rate {rate:g}).",
            f"Train into another folder with a smaller rate: --lr {rate / 10:g}.",
        )
    job.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    job.optimiser.step()
    guesses = logits.detach().topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return loss.item(), int(guesses[:, 0].sum()), int(guesses.sum())


def _count(sums: Sums, n: int, loss: float, top1: int, top5: int, seconds: float) -> None:
    sums.n += n
    sums.loss += loss * n
    sums.top1 += top1
    sums.top5 += top5
    sums.seconds += seconds


def _log(job: Job, split: str, rates: dict[str, float]) -> None:
    """One line of `history.jsonl`; epochs count from 1."""
    state = job.state
    row = {"step": state.step, "epoch": state.epoch + 1, "split": split, **rates}
    job.folder.append_history({**row, "lr": state.lr, "seconds": round(state.seconds, 3)})
    state.lines += 1


def save(job: Job) -> None:
    """Writes a checkpoint of where the job stands.

    Raises:
        StorageError: it cannot be written; the earlier ones stay as they are.
    """
    save_checkpoint(job.folder, job.net, job.optimiser, job.state)


def _stop(job: Job, signals: StopSignals) -> Interrupted:
    save(job)
    return Interrupted(
        f"Stopped at step {job.state.step}, in epoch {job.state.epoch + 1}; everything is saved.",
        f"Go on with: alexnet train --resume --run {job.folder.path}",
        signals.number,
    )


def _set_rate(job: Job) -> None:
    """The rate of the step to come."""
    config, state = job.config, job.state
    done = state.epoch + state.position / job.steps_per_epoch
    rate = rate_at(done, config.training.epochs, state.held_out_losses, config.optim, config.schedule)
    set_rate(job.optimiser, rate, keep_velocity=config.optim.keep_velocity)
    state.lr = rate


def _train_epoch(job: Job, signals: StopSignals) -> None:
    """The rest of the epoch under way."""
    state, training = job.state, job.config.training
    job.reporter.begin_epoch(state.epoch + 1, training.epochs, state.whole.n, len(job.data.splits["train"]))
    saved = time.monotonic()
    job.net.train()
    begin = time.perf_counter()
    for pictures, labels in _batches(job, state.epoch, state.position):
        _set_rate(job)
        result = _step(job, pictures, labels)
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        state.position, state.step, state.seconds = state.position + 1, state.step + 1, state.seconds + seconds
        for sums in (state.window, state.whole):
            _count(sums, len(labels), *result, seconds)
        job.reporter.advance(len(labels), state.whole.rates())
        if state.step % training.log_steps == 0:
            _log(job, "train", state.window.rates())
            state.window = Sums()
        if signals.number:
            raise _stop(job, signals)
        if time.monotonic() - saved > SAVE_SECONDS:
            save(job)
            saved = time.monotonic()


def _settle(job: Job) -> None:
    count = job.config.training.settle_batches
    if count:
        views = (pictures for _, (pictures, _) in zip(range(count), _batches(job, job.state.epoch, 0), strict=False))
        settle_batch_norm(job.net, views, job.machine)


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

    rates = evaluate(job.net, pictures, job.picture, job.machine, progress=progress).counts.rates()
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
        best = job.folder.checkpoints / "best.safetensors"
        write_weights(best, to_arrays(job.net.state_dict()), job.card)
        link_file(best, job.folder.weights)
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
            _train_epoch(job, signals)
            try:
                _evaluate_epoch(job, signals)
            except Stopped:
                raise _stop(job, signals) from None
            save(job)
            if signals.number:
                raise _stop(job, signals)
