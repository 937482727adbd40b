"""One update from one batch: forward and back in one piece or in parts, and less at once where memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import Indices, epoch_order, training_view
from ..errors import ConfigError, DivergedError
from ..model import logits_of
from .job import Job
from .state import Sums
from .stop import StopSignals


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`int64[B]` each: the pictures' places in the training set, and the ones whose draws they share."""

    index: Indices
    leaders: Indices

    def split(self, parts: int) -> list[Batch]:
        """At most `parts` parts of nearly the same size, in order."""
        pieces = zip(np.array_split(self.index, parts), np.array_split(self.leaders, parts), strict=True)
        return [Batch(index=index, leaders=leaders) for index, leaders in pieces if len(index)]


def batches(job: Job, epoch: int, first: int = 0) -> Iterator[Batch]:
    """The batches of an epoch from number `first` on: every picture once, the last batch may be smaller."""
    training, share = job.config.training, job.config.augment.share
    order = epoch_order(training.seed, epoch, len(job.data.splits["train"]))
    leaders = order[np.arange(len(order)) // share * share]
    for start in range(first * training.batch_size, len(order), training.batch_size):
        chosen = slice(start, start + training.batch_size)
        yield Batch(index=order[chosen], leaders=leaders[chosen])


def view(job: Job, epoch: int, batch: Batch) -> tuple[Tensor, Tensor]:
    """`float32[B, C, S, S]` and `int64[B]`: a batch as training sees it, on the device."""
    pixels, labels = job.data.splits["train"].batch(batch.index)
    pictures = training_view(
        torch.from_numpy(np.array(pixels)).to(job.machine.device),
        job.picture,
        job.config.augment,
        seed=job.config.training.seed,
        epoch=epoch,
        index=batch.index,
        leaders=batch.leaders,
        colours=job.colours,
    )
    return pictures, torch.from_numpy(labels).to(job.machine.device)


def _run_part(job: Job, part: Batch, divisor: int) -> None:
    """Adds the gradients of a part of a batch, and counts its answers before the update.

    Raises:
        DivergedError: the loss is not finite; the weights stay as they were.
    """
    state = job.state
    pictures, labels = view(job, state.epoch, part)
    logits = logits_of(job.net, pictures, job.machine)
    smoothing = job.config.training.label_smoothing
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    if not torch.isfinite(loss):
        raise DivergedError(
            f"The loss is {loss.item()} at step {state.step + 1} (epoch {state.epoch + 1}, rate {state.lr:g}).",
            f"Train into another folder with a smaller rate: --lr {state.lr / 10:g}.",
        )
    (loss / divisor).backward()  # type: ignore[no-untyped-call]
    guesses = logits.detach().topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    counted = Sums(n=len(labels), loss=loss.item(), top1=int(guesses[:, 0].sum()), top5=int(guesses.sum()))
    state.batch.add(counted)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class _Start:
    """What a batch changes before its update, so that it can be begun again."""

    def __init__(self, job: Job) -> None:
        self.generators = torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        self.buffers = [buffer.clone() for buffer in job.net.buffers()]

    def restore(self, job: Job) -> None:
        torch.set_rng_state(self.generators[0])
        if self.generators[1] is not None:
            torch.cuda.set_rng_state(self.generators[1])
        for buffer, value in zip(job.net.buffers(), self.buffers, strict=True):
            buffer.copy_(value)
        job.state.part = 0


def _halve(job: Job, size: int) -> None:
    """Computes batches in twice as many parts from now on.

    Raises:
        ConfigError: a part holds a single picture already.
    """
    state = job.state
    if -(-size // state.parts) == 1:
        raise ConfigError(
            f"The memory does not hold «{job.net.spec.name}» with a single picture.",
            "Choose a smaller --image-size or another --model.",
        )
    state.parts *= 2
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    job.reporter.note(
        f"The memory does not hold {-(-2 * size // state.parts)} pictures at once: each batch of"
        f" {job.config.training.batch_size} is now computed in {state.parts} parts, whose gradients are added."
    )


def update(job: Job, batch: Batch, signals: StopSignals) -> bool:
    """One update from a batch; goes on where a resumed run stopped within it.

    Returns:
        False if a signal came between two parts: the gradients so far are a part of the checkpoint.

    Raises:
        DivergedError: the loss is not finite.
        ConfigError: the memory does not hold a single picture.
    """
    state, training = job.state, job.config.training
    divisor = training.batch_size if training.divide_by == "batch_size" else len(batch.index)
    start = _Start(job)
    while True:
        if state.part == 0:
            job.optimiser.zero_grad(set_to_none=True)
            state.batch = Sums()
        parts = batch.split(state.parts)
        try:
            for part in parts[state.part :]:
                _run_part(job, part, divisor)
                state.part += 1
                if signals.number and state.part < len(parts):
                    return False
            break
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        start.restore(job)
        _halve(job, len(batch.index))
    job.optimiser.step()
    state.part = 0
    if job.average is not None:
        job.average.update_parameters(job.net)
    return True
