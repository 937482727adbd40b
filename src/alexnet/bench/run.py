"""Interleaved rounds of two sides, each in a process of its own, and the ratio of their medians."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError
from ..model import choose_machine, kernels
from ..spec import compute, find_variant
from .material import make_material


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared.

    Args:
        name: what a row of the table says.
        kind: the task in `bench.side`.
        precision: of our side; the plain one is float32.
        goal: the ratio that is aimed at.
        repeats: updates (or calls) in a round.
    """

    name: str
    kind: str
    net: str = ""
    batch: int = 128
    precision: str = "auto"
    data: str = ""
    goal: float
    repeats: int = 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """A comparison's outcome: medians of rounds.

    Args:
        own, plain: pictures (or calls) per second.
        ratio: the median of the rounds' ratios, each of two neighbouring measurements.
        share: of the measured rate of matrix products; None where no products are counted.
        own_peak_bytes, plain_peak_bytes: the most memory that each process held.
    """

    name: str
    own: float
    plain: float
    ratio: float
    goal: float
    share: float | None
    own_peak_bytes: int
    plain_peak_bytes: int
    rounds: int
    precision: str


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All rows, and on what they were measured."""

    machine: dict[str, Any]
    rows: tuple[Row, ...]

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


SHORT = (
    Comparison(name="step, torchvision", kind="step", net="torchvision", batch=32, goal=2.8),
    Comparison(name="step, paper", kind="step", net="paper", batch=32, goal=6.0),
    Comparison(name="step, keras", kind="step", net="keras", batch=128, goal=1.5, repeats=4),
    Comparison(name="response normalisation", kind="norms", batch=32, precision="fp32", goal=10.0),
    Comparison(name="epoch, lenet on sample", kind="epoch", net="lenet", data="sample", goal=2.5, repeats=47),
    Comparison(name="latency, torchvision", kind="latency", net="torchvision", precision="fp32", goal=2.7, repeats=10),
    Comparison(name="folder, torchvision", kind="folder", net="torchvision", precision="fp32", goal=4.0),
    Comparison(name="one picture from cold, torchvision", kind="start", net="torchvision", precision="fp32", goal=4.5),
)
FULL = (
    Comparison(name="step, torchvision", kind="step", net="torchvision", goal=2.8),
    Comparison(name="step, torchvision, float32", kind="step", net="torchvision", precision="fp32", goal=1.4),
    Comparison(name="step, paper", kind="step", net="paper", goal=6.0),
    Comparison(name="step, museum", kind="step", net="museum", goal=6.0),
    Comparison(name="step, keras", kind="step", net="keras", goal=1.5, repeats=8),
    Comparison(name="response normalisation", kind="norms", precision="fp32", goal=10.0),
    Comparison(
        name="epoch, gluon on fashion-mnist", kind="epoch", net="gluon", data="fashion-mnist", goal=2.6, repeats=3
    ),
    Comparison(
        name="epoch, lenet on fashion-mnist", kind="epoch", net="lenet", data="fashion-mnist", goal=2.5, repeats=117
    ),
    Comparison(name="latency, torchvision", kind="latency", net="torchvision", precision="fp32", goal=2.7, repeats=20),
    Comparison(name="folder, torchvision", kind="folder", net="torchvision", precision="fp32", goal=4.0),
    Comparison(name="one picture from cold, torchvision", kind="start", net="torchvision", precision="fp32", goal=4.5),
)


class _Side:
    """A process that does a round whenever it is asked."""

    def __init__(self, task: dict[str, Any]) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # read if the process fails
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alexnet.bench.side", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        """The next line that it prints.

        Raises:
            ConfigError: it ended; the last line of its errors is given.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            lines = self.errors.read().decode(errors="replace").strip().splitlines()
            raise ConfigError(f"A side of the comparison ended: {lines[-1] if lines else 'no message'}")
        found: dict[str, Any] = json.loads(line)
        return found

    def round(self) -> dict[str, Any]:
        """One round: seconds, count, peak bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                stream.close()


@contextmanager
def _sides(*tasks: dict[str, Any]) -> Iterator[list[_Side]]:
    sides: list[_Side] = []
    try:
        for task in tasks:  # one after the other, so that neither warms up against the other
            sides.append(_Side(task))
            sides[-1].answer()
        yield sides
    finally:
        for side in sides:
            side.close()


def matrix_rate(precision: str, size: int, rounds: int = 5) -> float:
    """Measured FLOP/s of products of square matrices."""
    with _sides({"kind": "matrix", "precision": precision, "size": size, "repeats": 3}) as (side,):
        answers = [side.round() for _ in range(rounds)]
    return statistics.median(2 * size**3 * float(answer["count"]) / float(answer["seconds"]) for answer in answers)


def compare(comparison: Comparison, rounds: int, rates: dict[str, float]) -> Row:
    """Runs both sides in turn.

    Args:
        rates: FLOP/s of matrix products by precision.
    """
    machine = choose_machine("auto", comparison.precision)
    task = {**asdict(comparison), "precision": machine.precision, "workers": min(os.cpu_count() or 1, 2)}
    with tempfile.TemporaryDirectory(prefix="alexnet-bench-") as work:
        if comparison.kind in ("latency", "folder", "start"):
            make_material(Path(work), comparison.net)
        with _sides({**task, "work": work, "side": "own"}, {**task, "work": work, "side": "plain"}) as (own, plain):
            pairs = [(own.round(), plain.round()) for _ in range(rounds)]
    speeds = [[answer["count"] / answer["seconds"] for answer in pair] for pair in pairs]
    rate = statistics.median(speed[0] for speed in speeds)
    # A multiply-add is two operations; the gradients of weights and of inputs cost a forward pass each.
    # Nobody asks for that of the pictures.
    flops = None
    if comparison.kind == "step":
        facts = compute(find_variant(comparison.net))
        flops = 6 * facts.macs - 2 * facts.layers[0].macs
    return Row(
        name=comparison.name,
        own=rate,
        plain=statistics.median(speed[1] for speed in speeds),
        ratio=statistics.median(first / second for first, second in speeds),
        goal=comparison.goal,
        share=flops * rate / rates[machine.precision] if flops else None,
        own_peak_bytes=max(pair[0]["peak_bytes"] for pair in pairs),
        plain_peak_bytes=max(pair[1]["peak_bytes"] for pair in pairs),
        rounds=rounds,
        precision=machine.precision,
    )


def describe_machine(rates: dict[str, float]) -> dict[str, Any]:
    """Device, threads, versions, measured rates."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "compiled kernels": kernels.load_library() is not None,
        "matrix products, GFLOP/s": {kind: round(rate / 1e9) for kind, rate in rates.items()},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            lines = [line for line in file if line.startswith("model name")]
    except OSError:
        lines = []
    return lines[0].partition(":")[2].strip() if lines else platform.processor() or platform.machine()


def run_bench(
    comparisons: tuple[Comparison, ...], rounds: int, told: Callable[[str], None] | None = None, matrix: int = 4096
) -> Iterator[Row | dict[str, Any]]:
    """First the machine, then each row as it is measured.

    Args:
        rounds: at least 1; 5 for figures that are to be quoted.
        matrix: rows of the square matrices whose product is the machine's measure.
        told: called with the name of what is about to be measured.
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds measure nothing.", "Give at least 1.")
    precisions: set[str] = {choose_machine("auto", comparison.precision).precision for comparison in comparisons}
    rates = {precision: matrix_rate(precision, matrix) for precision in sorted(precisions)}
    yield describe_machine(rates)
    for comparison in comparisons:
        if told is not None:
            told(comparison.name)
        yield compare(comparison, rounds, rates)
