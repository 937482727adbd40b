"""The Python door to training: the same path as the command's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import make_config
from .data import default_recipe
from .errors import ConfigError
from .training import Reporter, Run, train_new, train_on


def train(
    data: str | os.PathLike[str],
    model: str | None = None,
    *,
    epochs: int | None = None,
    run: str | os.PathLike[str] | None = None,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Trains a net by its source's recipe, into a run folder.

    Args:
        data: a known name, or a folder with a folder of pictures for each class.
        model: a variant; by default one that suits the data.
        epochs: how often every picture is seen; the recipe's number by default.
        run: the run folder; `runs/<data>-<model>-<n>/` by default.
        resume: go on with the run in `run`.
        settings: any setting by its path, such as `{"optim.lr": 0.02}`.
        reporter: told what happens; by default the terminal, on standard error.

    Returns:
        The run: its folder and its metrics.

    Raises:
        AlexNetError: of the kind that fits; each says what to do.

    Example:
        >>> from alexnet.training import Silent
        >>> train("sample", "lenett", reporter=Silent())
        Traceback (most recent call last):
        alexnet.errors.ConfigError: There is no model «lenett». Did you mean «lenet»?
    """
    from .cli.console import ConsoleReporter

    chosen = dict(settings or {})
    if epochs is not None:
        chosen["training.epochs"] = epochs
    reporter = reporter or ConsoleReporter()
    folder = None if run is None else Path(run)
    name = os.fspath(data)
    if resume:
        if folder is None:
            raise ConfigError("resume=True needs the run folder.", "Give run=FOLDER.")
        return train_on(folder, {"data.name": name, **chosen}, reporter=reporter)
    return train_new(make_config(name, model or default_recipe(name), chosen), run=folder, reporter=reporter)
