"""The plain way that the same work is done today: torch eager in float32, contiguous, with every default.

These are the other side of each comparison; nothing else uses them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..config import RECIPES
from ..data import PictureSet
from ..model import create
from ..model.normalise import MapNorm, ResponseNorm, plain_within_map
from ..spec import find_variant


class _PlainMapNorm(nn.Module):
    def __init__(self, norm: MapNorm) -> None:
        super().__init__()
        self.facts = {"size": norm.size, "alpha": norm.alpha, "beta": norm.beta}

    def forward(self, a: Tensor) -> Tensor:
        return plain_within_map(a, **self.facts)  # type: ignore[arg-type]


def plain_net(name: str, classes: int) -> nn.Module:
    """torchvision's own model where it is installed, else the same layers from torch.nn."""
    if name == "torchvision":
        try:
            from torchvision.models import alexnet
        except (ImportError, RuntimeError):
            return create(name, classes=classes)
        net: nn.Module = alexnet(num_classes=classes)
        return net
    net = create(name, classes=classes)
    for child, module in list(net.named_children()):
        if isinstance(module, ResponseNorm):
            alpha = module.alpha if module.divided else module.alpha * module.size
            setattr(net, child, nn.LocalResponseNorm(module.size, alpha, module.beta, module.k))
        elif isinstance(module, MapNorm):
            setattr(net, child, _PlainMapNorm(module))
    return net


def plain_optimiser(net: nn.Module, name: str) -> torch.optim.Optimizer:
    """The recipe's rule with torch's defaults."""
    optim = RECIPES[name].optim
    if optim.rule == "adam":
        return torch.optim.Adam(net.parameters(), lr=optim.lr)
    return torch.optim.SGD(net.parameters(), lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay)


def plain_step(net: nn.Module, optimiser: torch.optim.Optimizer, pictures: Tensor, labels: Tensor) -> None:
    """One update as every tutorial writes it."""
    optimiser.zero_grad()
    F.cross_entropy(net(pictures), labels).backward()  # type: ignore[no-untyped-call]
    optimiser.step()


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures through PIL one by one: resized, or cut at random, resized and mirrored, as torchvision does it."""

    def __init__(self, pictures: PictureSet, name: str, size: int, root: Path | None) -> None:
        self.pictures, self.recipe, self.size, self.root = pictures, RECIPES[name], size, root

    def __len__(self) -> int:
        return len(self.pictures)

    def _open(self, index: int) -> Image.Image:
        if self.root is not None:
            return Image.open(self.root / self.pictures.names[index]).convert("RGB")
        pixels = self.pictures.batch(np.array([index]))[0][0]
        return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))

    def _cut(self, picture: Image.Image) -> Image.Image:
        """As `torchvision.transforms.RandomResizedCrop` and `RandomHorizontalFlip`."""
        luck = np.random.default_rng()
        low, high = self.recipe.augment.area
        wide = tall = min(picture.size)
        for _ in range(10):
            area, ratio = picture.width * picture.height * luck.uniform(low, high), np.exp(luck.uniform(-0.29, 0.29))
            sides = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if sides[0] <= picture.width and sides[1] <= picture.height:
                wide, tall = sides
                break
        left, top = int(luck.integers(picture.width - wide + 1)), int(luck.integers(picture.height - tall + 1))
        picture = picture.crop((left, top, left + wide, top + tall))
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if luck.random() < 0.5 else picture

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = self._open(index)
        if self.recipe.augment.crop == "resized":
            picture = self._cut(picture)
        if picture.size != (self.size, self.size):
            picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture)
        values = torch.from_numpy(pixels.copy() if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())
        return values.reshape(-1, self.size, self.size).float() / 255, int(self.pictures.labels[index])


def predict_plainly(pictures: Sequence[str], weights: Path, name: str) -> int:
    """The top class of each file, one by one, as a plain script does it."""
    spec = find_variant(name)
    net = plain_net(name, spec.classes).eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    for path in pictures:
        with Image.open(path) as file:
            picture = file.convert("RGB")
        scale = 256 / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
        )
        left, top = (picture.width - spec.image_size) // 2, (picture.height - spec.image_size) // 2
        picture = picture.crop((left, top, left + spec.image_size, top + spec.image_size))
        values = torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy()).float() / 255
        with torch.no_grad():
            net(((values - mean) / std)[None]).softmax(1).topk(5)
    return len(pictures)


def plain_loader(pictures: Pictures, batch_size: int, workers: int) -> Iterator[Any]:
    """Batches in a random order, again and again."""
    while True:
        yield from DataLoader(pictures, batch_size, shuffle=True, num_workers=workers)


if __name__ == "__main__":
    predict_plainly(sys.argv[1:2], Path(sys.argv[2]), sys.argv[3])
