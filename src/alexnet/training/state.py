"""Where a training stands: what is counted, and the checkpoints that hold everything needed to go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ..config import OptimConfig
from ..config.strict import read
from ..errors import AlexNetError, WeightsError
from ..runs import RunFolder, check_space, make_folder, replace_file
from ..weights import read_tensors, write_tensors


@dataclass
class Sums:
    """Sums over training pictures since the last line of the history."""

    n: int = 0
    loss: float = 0.0
    top1: int = 0
    top5: int = 0
    seconds: float = 0.0

    def add(self, more: Sums) -> None:
        """Counts more pictures."""
        self.n += more.n
        self.loss += more.loss
        self.top1 += more.top1
        self.top5 += more.top5
        self.seconds += more.seconds

    def rates(self) -> dict[str, float]:
        """Mean loss, top-1 and top-5 as fractions, and pictures per second."""
        n = max(self.n, 1)
        return {
            "loss": self.loss / n,
            "top1": self.top1 / n,
            "top5": self.top5 / n,
            "images_per_s": self.n / max(self.seconds, 1e-9),
        }


@dataclass
class State:
    """How far a training is.

    Args:
        epoch: finished epochs.
        position: batches done of the epoch under way.
        part: parts done of the batch under way.
        parts: a batch is computed in so many.
        step: updates in all.
        lr: the rate of the last step.
        batch, window, whole: sums of the batch under way, since the last history line, and since the epoch began.
        held_out_losses: one for each finished epoch.
        best_epoch, best_top1, best_loss: of the weights in `best`; epochs count from 1, 0 means none yet.
        seconds: training and evaluation so far.
        first_norm: of the weights before the first update.
        recent, recent_since: sums since the update from which the loss is compared with guessing.
        said: the kinds of advice that were given.
        lines: of the history; a resumed run drops what was logged after its checkpoint.
        data: the digest of the training pictures' names and labels.
    """

    epoch: int = 0
    position: int = 0
    part: int = 0
    parts: int = 1
    step: int = 0
    lr: float = 0.0
    batch: Sums = field(default_factory=Sums)
    window: Sums = field(default_factory=Sums)
    whole: Sums = field(default_factory=Sums)
    held_out_losses: tuple[float, ...] = ()
    best_epoch: int = 0
    best_top1: float = -1.0
    best_loss: float = 0.0
    seconds: float = 0.0
    first_norm: float = 0.0
    recent: Sums = field(default_factory=Sums)
    recent_since: int = 0
    said: tuple[str, ...] = ()
    lines: int = 0
    data: str = ""

    def is_better(self, top1: float, loss: float) -> bool:
        """True for a higher top-1, or the same with a lower loss."""
        return self.best_epoch == 0 or (top1, -loss) > (self.best_top1, -self.best_loss)


def to_arrays(state: dict[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """A state dict as NumPy arrays, contiguous."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}


def _optimiser_arrays(net: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """The optimiser's tensors as «parameter/entry»."""
    arrays = {f"rate/{i}": np.array(group["lr"]) for i, group in enumerate(optimiser.param_groups)}
    for name, parameter in net.named_parameters():
        for entry, value in optimiser.state.get(parameter, {}).items():
            if value is not None:
                arrays[f"{name}/{entry}"] = torch.as_tensor(value).detach().cpu().contiguous().numpy()
    return arrays


def _generators() -> dict[str, torch.Tensor]:
    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def _all_arrays(
    net: nn.Module, average: AveragedModel | None, optimiser: torch.optim.Optimizer, state: State
) -> dict[str, NDArray[Any]]:
    """Everything that a resume needs, as «branch/name»; the gradients where a batch is half done."""
    branches = {
        "net": to_arrays(net.state_dict()),
        "average": {} if average is None else to_arrays(average.state_dict()),
        "optimiser": _optimiser_arrays(net, optimiser),
        "generator": {name: value.numpy() for name, value in _generators().items()},
        "gradient": to_arrays(
            {name: p.grad for name, p in net.named_parameters() if state.part > 0 and p.grad is not None}
        ),
    }
    return {f"{branch}/{name}": array for branch, arrays in branches.items() for name, array in arrays.items()}


def check_room(folder: RunFolder, net: nn.Module, average: AveragedModel | None, rule: OptimConfig) -> None:
    """Refuses a training whose checkpoints the disk cannot hold, before its first step.

    While one is written the two before it stay, and so do the best weights while better ones are written. What lies
    in the folder already is a part of that.

    Raises:
        StorageError: says how much is missing.
    """
    weights = sum(value.numel() * value.element_size() for value in net.state_dict().values())
    copies = 1 + (average is not None) + {"adam": 2, "sgd": int(rule.momentum > 0)}[rule.rule]
    held = sum(file.stat().st_size for file in folder.checkpoints.glob("*.safetensors"))
    check_space(folder.path, 3 * copies * weights + 2 * weights - held, "Three checkpoints and the weights")


def save_checkpoint(
    folder: RunFolder, net: nn.Module, average: AveragedModel | None, optimiser: torch.optim.Optimizer, state: State
) -> None:
    """Writes `checkpoints/last.safetensors`; the one before it becomes `previous` after the new one is read back.

    Raises:
        StorageError: it cannot be written; the earlier ones stay as they are.
    """
    last = make_folder(folder.checkpoints) / "last.safetensors"
    fresh = last.with_name("fresh.safetensors")
    write_tensors(fresh, _all_arrays(net, average, optimiser, state), asdict(state))
    read_tensors(fresh)
    if last.exists():
        replace_file(last, last.with_name("previous.safetensors"))
    replace_file(fresh, last)


def _strip(tensors: dict[str, NDArray[Any]], branch: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(branch): torch.from_numpy(np.array(array))
        for name, array in tensors.items()
        if name.startswith(branch)
    }


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """The value on the parameter's device and in its memory layout, which the fused update rules presume."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _restore_optimiser(net: nn.Module, optimiser: torch.optim.Optimizer, stored: dict[str, torch.Tensor]) -> None:
    for number, group in enumerate(optimiser.param_groups):
        group["lr"] = stored[f"rate/{number}"].item()
    for name, parameter in net.named_parameters():
        entries = {key.rpartition("/")[2]: value for key, value in stored.items() if key.rpartition("/")[0] == name}
        if entries:
            optimiser.state[parameter] = {entry: _like(value, parameter.detach()) for entry, value in entries.items()}


def load_checkpoint(
    path: Path, net: nn.Module, average: AveragedModel | None, optimiser: torch.optim.Optimizer
) -> State:
    """Restores weights, their average, optimiser, gradients and generators from one file.

    Raises:
        WeightsError: it is missing, damaged, or of another net.
    """
    tensors, card = read_tensors(path)
    try:
        state = read(State, card)
        net.load_state_dict(_strip(tensors, "net/"), strict=True)
        if average is not None:
            average.load_state_dict(_strip(tensors, "average/"), strict=True)
    except (AlexNetError, RuntimeError) as error:
        raise WeightsError(f"{path} does not belong to this run: {error}") from error
    _restore_optimiser(net, optimiser, _strip(tensors, "optimiser/"))
    gradients = _strip(tensors, "gradient/")
    for name, parameter in net.named_parameters():
        if name in gradients:
            parameter.grad = _like(gradients[name], parameter.detach())
    generators = _strip(tensors, "generator/")
    torch.set_rng_state(generators["cpu"])
    if "cuda" in generators and torch.cuda.is_available():
        torch.cuda.set_rng_state(generators["cuda"])
    return state


def load_newest(
    folder: RunFolder, net: nn.Module, average: AveragedModel | None, optimiser: torch.optim.Optimizer
) -> tuple[State, tuple[str, ...]]:
    """The newest checkpoint that verifies, and why newer ones were passed over.

    Raises:
        WeightsError: none can be read.
    """
    skipped: list[str] = []
    for name in ("last.safetensors", "previous.safetensors"):
        path = folder.checkpoints / name
        if not path.exists():
            continue
        try:
            return load_checkpoint(path, net, average, optimiser), tuple(skipped)
        except WeightsError as error:
            skipped.append(error.message)
    raise WeightsError(
        f"{folder.path} has no checkpoint to go on from. {' '.join(skipped)}".strip(), "Train anew without --resume."
    )
