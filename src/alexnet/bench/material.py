"""What predictions are measured on: a net's weights in both sides' formats, and photographs that are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..model import create
from ..runs import make_folder, write_bytes
from ..spec import PictureSpec
from ..weights import Card, write_weights
from ..weights.graph import write_graph
from .plain import plain_net

NUM_PICTURES = 48


def _photograph(seed: int, width: int = 500, height: int = 375) -> Image.Image:
    """Noise whose spectrum falls with the frequency, so that it is as large a JPEG as a photograph."""
    luck = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    spectrum = (luck.normal(size=frequency.shape) + 1j * luck.normal(size=frequency.shape)) / frequency**1.3
    plane = np.fft.irfft2(spectrum, s=(height, width))
    levels = 128 + 50 * plane / plane.std()
    return Image.fromarray(np.clip(levels[..., None] + [15, 0, -15], 0, 255).astype(np.uint8))


def make_material(folder: Path, name: str) -> None:
    """Writes `model.safetensors` with its graph, `plain.pt`, and photographs into a folder."""
    import io

    net = create(name, seed=0)
    spec = net.spec
    picture = PictureSpec(
        channels=3,
        size=spec.image_size,
        resize=256,
        fit="short-side",
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    classes = tuple(f"class {number}" for number in range(spec.classes))
    weights = make_folder(folder) / "model.safetensors"
    tensors = {key: value.numpy() for key, value in net.state_dict().items()}
    write_weights(weights, tensors, Card(variant=name, picture=picture, classes=classes))
    write_graph(spec, weights)
    stored = io.BytesIO()
    torch.save(plain_net(name, spec.classes).state_dict(), stored)
    write_bytes(folder / "plain.pt", stored.getvalue())
    for number in range(NUM_PICTURES):
        file = io.BytesIO()
        _photograph(number).save(file, "JPEG", quality=90)
        write_bytes(folder / f"{number:03d}.jpg", file.getvalue())
