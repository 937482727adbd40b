"""One side of one comparison, in a process of its own: prepares, says so, and does a round each time it is asked.

It reads the task as JSON from its argument, then a line for each round on standard input; it answers with one line
of JSON each on standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Round = Callable[[], int]
"""Does the work once and returns how many pictures (or calls) it was."""


def _synchronise() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak_bytes() -> int:
    """The most memory that this process held; `getrusage` would count what the process before `exec` held."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def matrix_product(task: dict[str, Any]) -> Round:
    """Products of square matrices: what the machine can do."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.bfloat16 if task["precision"] == "bf16" else torch.float32
    a, b = torch.randn(2, task["size"], task["size"], device=device).to(kind)

    def run() -> int:
        for _ in range(task["repeats"]):
            torch.mm(a, b)
        return int(task["repeats"])

    return run


def training_step(task: dict[str, Any]) -> Round:
    """Updates on pictures that lie ready."""
    import torch

    from ..config import RECIPES
    from ..model import choose_machine, create, keep_memory, logits_of
    from ..spec import find_variant
    from ..training.optimiser import make_optimiser
    from .plain import plain_net, plain_optimiser, plain_step

    name, batch = task["net"], task["batch"]
    machine = choose_machine("auto", task["precision"])
    spec = find_variant(name)
    classes = spec.classes
    pictures = torch.rand(batch, spec.channels, spec.image_size, spec.image_size, device=machine.device)
    labels = torch.randint(0, classes, (batch,), device=machine.device)
    if task["side"] == "plain":
        net = plain_net(name, classes).to(machine.device).train()
        optimiser = plain_optimiser(net, name)

        def step() -> None:
            plain_step(net, optimiser, pictures, labels)

    else:
        keep_memory()
        own = create(name, classes=classes, seed=0).to(machine.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        rule = make_optimiser(own, RECIPES[name].optim)

        def step() -> None:
            rule.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(logits_of(own, pictures, machine), labels).backward()  # type: ignore[no-untyped-call]
            rule.step()

    def run() -> int:
        for _ in range(task["repeats"]):
            step()
        return int(task["repeats"] * batch)

    return run


def response_norms(task: dict[str, Any]) -> Round:
    """Both normalisations of the paper's net, forward and backward."""
    import torch
    from torch import nn

    from ..model import keep_memory
    from ..model.normalise import ResponseNorm

    kind = torch.bfloat16 if task["precision"] == "bf16" else torch.float32
    is_plain = task["side"] == "plain"
    layers = [
        nn.LocalResponseNorm(5, 1e-4, 0.75, 2)
        if is_plain
        else ResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2.0, divided=True, groups=1)
        for _ in range(2)
    ]
    if not is_plain:
        keep_memory()
    layout = torch.contiguous_format if is_plain else torch.channels_last
    inputs = [
        torch.randn(task["batch"], channels, side, side).to(kind).contiguous(memory_format=layout).requires_grad_()
        for channels, side in ((96, 55), (256, 27))
    ]
    slopes = [torch.randn_like(a) for a in inputs]

    def run() -> int:
        for layer, a, slope in zip(layers, inputs, slopes, strict=True):
            torch.autograd.grad(layer(a), a, slope)
        return int(task["batch"])

    return run


def epoch_part(task: dict[str, Any]) -> Round:
    """Some updates of an epoch from the files of a data set, reading and augmentation included."""
    from ..config import make_config
    from ..training import Silent, open_pictures

    config = make_config(task["data"], task["net"], {"training.precision": task["precision"]})
    data = open_pictures(config, Silent())
    return _plain_epoch(task, data) if task["side"] == "plain" else _own_epoch(task, config, data)


def _plain_epoch(task: dict[str, Any], data: Any) -> Round:
    from ..config import RECIPES
    from ..spec import find_variant
    from .plain import Pictures, plain_loader, plain_net, plain_optimiser, plain_step

    name = task["net"]
    batch = RECIPES[name].training.batch_size
    train = data.splits["train"]
    pictures = Pictures(train, name, find_variant(name).image_size, Path(task["data"]) if data.files else None)
    net = plain_net(name, len(data.classes)).train()
    optimiser = plain_optimiser(net, name)
    loader = plain_loader(pictures, batch, task["workers"])

    def run() -> int:
        count = 0
        for _, (values, labels) in zip(range(task["repeats"]), loader, strict=False):
            plain_step(net, optimiser, values, labels)
            count += len(labels)
        return count

    return run


def _own_epoch(task: dict[str, Any], config: Any, data: Any) -> Round:
    import itertools

    from ..runs import RunFolder
    from ..training import Silent
    from ..training.prepare import prepare
    from ..training.step import batches, update
    from ..training.stop import StopSignals

    job = prepare(config, RunFolder(Path("bench")), data, Silent())
    job.net.train()
    endless = (batch for epoch in itertools.count() for batch in batches(job, epoch))

    def run() -> int:
        count = 0
        for _, batch in zip(range(task["repeats"]), endless, strict=False):
            update(job, batch, StopSignals())
            count += len(batch.index)
        return count

    return run


def latency(task: dict[str, Any]) -> Round:
    """One picture at a time through the net."""
    import numpy as np

    from ..spec import find_variant

    spec = find_variant(task["net"])
    values = np.random.default_rng(0).random((1, spec.channels, spec.image_size, spec.image_size), np.float32)
    if task["side"] == "plain":
        import torch

        from .plain import plain_net

        net, picture = plain_net(task["net"], spec.classes).eval(), torch.from_numpy(values)

        def once() -> None:
            with torch.no_grad():
                net(picture)

    else:
        from ..predict import load

        classifier = load(Path(task["work"]) / "model.safetensors")

        def once() -> None:
            classifier.net.probabilities(values)

    def run() -> int:
        for _ in range(task["repeats"]):
            once()
        return int(task["repeats"])

    return run


def folder(task: dict[str, Any]) -> Round:
    """A folder of photographs, from files to classes."""
    pictures = sorted(str(path) for path in Path(task["work"]).glob("*.jpg"))
    if task["side"] == "plain":
        from .plain import predict_plainly

        def run() -> int:
            return predict_plainly(pictures, Path(task["work"]) / "plain.pt", task["net"])

        return run

    from ..predict import load

    classifier = load(Path(task["work"]) / "model.safetensors")

    def run_own() -> int:
        return sum(1 for _ in classifier.predict_files(pictures))

    return run_own


def start(task: dict[str, Any]) -> Round:
    """One picture by a process that starts from nothing."""
    import subprocess

    work = Path(task["work"])
    picture = str(sorted(work.glob("*.jpg"))[0])
    own = ["-m", "alexnet", "predict", str(work / "model.safetensors"), picture]
    plain = ["-m", "alexnet.bench.plain", picture, str(work / "plain.pt"), task["net"]]
    command = [sys.executable, *(plain if task["side"] == "plain" else own)]

    def run() -> int:
        subprocess.run(command, check=True, capture_output=True)
        return 1

    return run


TASKS: dict[str, Callable[[dict[str, Any]], Round]] = {
    "matrix": matrix_product,
    "step": training_step,
    "norms": response_norms,
    "epoch": epoch_part,
    "latency": latency,
    "folder": folder,
    "start": start,
}


def main() -> None:
    """Answers until standard input ends."""
    task = json.loads(sys.argv[1])
    run = TASKS[task["kind"]](task)
    run()  # the first round warms up
    _synchronise()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        count = run()
        _synchronise()
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "count": count, "peak_bytes": _peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
