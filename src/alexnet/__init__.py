"""Every AlexNet, exactly: create one, train it on pictures, load it and ask it what a picture shows.

>>> import alexnet, tempfile
>>> from alexnet.training import Silent
>>> alexnet.create("lenet").spec.classes
10
>>> run = alexnet.train("sample", "lenet", epochs=1, run=tempfile.mkdtemp(), reporter=Silent())
>>> classifier = alexnet.load(run.folder)
>>> classifier.classes[:2], len(classifier.predict(run.folder / "filters.png"))
(('T-shirt/top', 'Trouser'), 5)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import AlexNetError
    from .interface import train
    from .model import AlexNet, create
    from .predict import Classifier, Guess, load
    from .spec import VARIANTS, NetworkSpec, PictureSpec
    from .training import Run

__all__ = [
    "VARIANTS",
    "AlexNet",
    "AlexNetError",
    "Classifier",
    "Guess",
    "NetworkSpec",
    "PictureSpec",
    "Run",
    "create",
    "load",
    "train",
]

_HOMES = {
    "AlexNet": "model",
    "AlexNetError": "errors",
    "Classifier": "predict",
    "Guess": "predict",
    "NetworkSpec": "spec",
    "PictureSpec": "spec",
    "Run": "training",
    "VARIANTS": "spec",
    "create": "model",
    "load": "predict",
    "train": "interface",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import alexnet` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'alexnet' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
