"""The end of a run: the best weights on the reported pictures, and everything that people look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import PictureSet
from ..evaluate import Result, evaluate, per_class
from ..figures import (
    Captioned,
    Section,
    draw_confusion,
    draw_curves,
    draw_filters,
    draw_gallery,
    write_report,
)
from ..runs import link_file, write_bytes, write_csv, write_json, write_text
from ..weights import read_weights
from ..weights.graph import write_graph
from .job import Job

NUM_SAMPLES = 20


def write_evaluation(folder: Path, pictures: PictureSet, result: Result, classes: tuple[str, ...]) -> dict[str, bytes]:
    """Writes `per_class.csv`, `predictions.csv`, `confusion.png` and `samples.png`; the pictures by name.

    Raises:
        StorageError: a file cannot be written.
    """
    rates = per_class(result.counts.confusion, classes)
    rows = [(row.name, row.n, f"{row.precision:.6f}", f"{row.recall:.6f}", f"{row.f1:.6f}") for row in rates]
    write_csv(folder / "per_class.csv", ("class", "n", "precision", "recall", "f1"), rows)
    guesses = result.probabilities.argmax(axis=1)
    write_csv(
        folder / "predictions.csv",
        ("path", "truth", "guess", "probability", "probability_of_truth", "right"),
        (
            (
                name,
                classes[truth],
                classes[guess],
                f"{row[guess]:.6f}",
                f"{row[truth]:.6f}",
                "yes" if truth == guess else "no",
            )
            for name, truth, guess, row in zip(
                pictures.names, pictures.labels, guesses, result.probabilities, strict=True
            )
        ),
    )
    drawn = {
        "confusion.png": draw_confusion(result.counts.confusion, classes),
        "samples.png": _draw_samples(pictures, result.probabilities, guesses, classes),
    }
    for name, png in drawn.items():
        write_bytes(folder / name, png)
    return drawn


def _draw_samples(
    pictures: PictureSet, probabilities: NDArray[np.float32], guesses: NDArray[np.int64], classes: tuple[str, ...]
) -> bytes:
    """Pictures spread evenly over the split, with truth and guess."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, NUM_SAMPLES).round().astype(np.int64))
    captioned = []
    for i in chosen:
        truth, guess = int(pictures.labels[i]), int(guesses[i])
        share = f"{probabilities[i, guess]:.0%}"
        lines = (
            (f"{classes[guess]} {share}",) if truth == guess else (f"{classes[guess]} {share}", f"is {classes[truth]}")
        )
        captioned.append(Captioned(pixels=pictures.batch(np.array([i]))[0][0], lines=lines, right=truth == guess))
    return draw_gallery(captioned, title="pictures that were not trained on: green is right, red is wrong")


def _draw_filters(job: Job) -> bytes:
    weight = next(p for name, p in job.net.named_parameters() if name.endswith("weight"))
    following = [m for m in job.net.children() if isinstance(m, torch.nn.Conv2d)][1:2]
    towers = following[0].groups if following else 1
    return draw_filters(weight.detach().cpu().numpy(), towers)


def _metrics(job: Job, split: str, result: Result) -> dict[str, Any]:
    state = job.state
    chosen = (
        "the highest top-1 on val"
        if "val" in job.data.splits
        else "the last epoch; no pictures were held out to choose"
    )
    return {
        "split": split,
        **result.counts.rates(),
        "views": 1,
        "best_epoch": state.best_epoch,
        "chosen_by": chosen,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": round(state.seconds, 3),
        "seed": job.config.training.seed,
        "precision": job.machine.precision,
    }


def _lead(metrics: dict[str, Any]) -> str:
    epochs = f"{metrics['epochs']} epoch{'s' if metrics['epochs'] > 1 else ''}"
    text = (
        f"{metrics['top1']:.1%} of {metrics['n']:,} {metrics['split']} pictures right at the first guess,"
        f" {metrics['top5']:.1%} within five, after {epochs} (seed {metrics['seed']},"
        f" {metrics['precision']}, {metrics['seconds']:,.0f} s)."
    )
    if metrics["split"] == "val":
        text += " The epoch was chosen on these same pictures, so expect a little less on new ones."
    return text


def _advice(job: Job) -> list[Section]:
    """What the signal check and the watch over the training said."""
    rows = [("before the first step", text) for text in job.folder.read_signal().get("verdicts", {}).values()]
    rows += [(f"step {row['step']}", f"{row['text']} {row['advice']}") for row in job.folder.read_advice()]
    return [Section(title="Advice", header=("when", "what"), rows=rows)] if rows else []


def _report(job: Job, metrics: dict[str, Any], result: Result, pngs: dict[str, bytes]) -> str:
    rates = per_class(result.counts.confusion, job.data.classes)
    origin = json.loads(job.folder.origin.read_text(encoding="utf-8"))
    return write_report(
        f"{job.net.spec.name} on {job.data.name}",
        _lead(metrics),
        [
            Section(title="Curves", png=pngs["curves.png"]),
            Section(title="Samples", png=pngs["samples.png"]),
            Section(
                title="Classes",
                header=("class", "pictures", "precision", "recall", "F1"),
                rows=[(row.name, row.n, row.precision, row.recall, row.f1) for row in rates],
            ),
            Section(title="Confusion", text="Rows are the truth, columns the guess.", png=pngs["confusion.png"]),
            Section(title="First-layer filters", png=pngs["filters.png"]),
            Section(title="Result", header=("what", "value"), rows=list(metrics.items())),
            *_advice(job),
            *([Section(title="Notes on the data", text=" ".join(job.data.notes))] if job.data.notes else []),
            Section(title="Settings", code=job.folder.config.read_text(encoding="utf-8")),
            Section(title="Origin", code=json.dumps(origin, indent=2)),
        ],
    )


def finish(job: Job) -> dict[str, Any]:
    """Evaluates the kept weights on the test pictures, or else the validation pictures, and writes the result.

    Returns:
        The content of `metrics.json`.
    """
    split = "test" if "test" in job.data.splits else "val"
    pictures = job.data.splits[split]
    best = job.folder.checkpoints / "best.safetensors"
    if best.exists() and not job.folder.weights.exists():
        link_file(best, job.folder.weights)
    stored = read_weights(job.folder.weights).tensors
    write_graph(job.card.network(), job.folder.weights)
    job.net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in stored.items()})
    job.reporter.begin_evaluation(split, len(pictures))
    result = evaluate(
        job.net, pictures, job.picture, job.machine, progress=lambda count: job.reporter.advance(count, {})
    )
    metrics = _metrics(job, split, result)
    pngs = write_evaluation(job.folder.path, pictures, result, job.data.classes)
    pngs["curves.png"] = draw_curves(job.folder.read_history(), job.steps_per_epoch)
    pngs["filters.png"] = _draw_filters(job)
    for name in ("curves.png", "filters.png"):
        write_bytes(job.folder.path / name, pngs[name])
    write_json(job.folder.metrics, metrics)
    write_text(job.folder.path / "report.html", _report(job, metrics, result, pngs))
    return metrics
