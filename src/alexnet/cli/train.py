"""`alexnet train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import make_config, model_in_file, parse_setting
from ..errors import ConfigError, WeightsError
from ..spec import find_variant
from .options import json_option, own_name, root_option

if TYPE_CHECKING:
    from ..training import Run

FLAGS = {
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "lr": "optim.lr",
    "seed": "training.seed",
    "image_size": "model.image_size",
    "device": "training.device",
    "precision": "training.precision",
    "root": "data.root",
}
"""The settings that have an option of their own."""


def _settings(options: dict[str, Any], pairs: tuple[str, ...]) -> dict[str, Any]:
    chosen = {path: options[name] for name, path in FLAGS.items() if options[name] is not None}
    return {**chosen, **dict(parse_setting(pair) for pair in pairs)}


def _newest_run(data: str, model: str) -> Path:
    from ..runs import list_runs

    found = list_runs(data, model)
    if not found:
        raise WeightsError(f"No run of «{model}» on «{data}» lies under runs/.", "Name its folder with --run.")
    return found[-1]


def _print_result(run: Run, as_json: bool) -> None:
    from .console import print_json

    if as_json:
        print_json(run.summary())
        return
    m = run.metrics
    click.echo(
        f"{m['split']} top-1 {m['top1']:.4f}  top-5 {m['top5']:.4f}  loss {m['loss']:.4f}  ({m['n']:,} pictures,"
        f" {m['epochs']} epochs, {m['seconds']:,.0f} s)\n"
        f"Everything lies in {run.folder}; look at {run.folder / 'report.html'}\n"
        f"Try it: {own_name()} predict {run.folder} PICTURE"
    )


@click.command("train", short_help="Train a net.")
@click.argument("data", required=False)
@click.option("--model", help="A net, as `alexnet models` lists them. By default one that suits the data.")
@click.option("--epochs", type=int, help="How often every picture is seen.")
@click.option("--batch-size", type=int, help="Pictures per update.")
@click.option("--lr", type=float, help="Learning rate.")
@click.option("--seed", type=int, help="Decides initial values, order and augmentation.")
@click.option("--image-size", type=int, help="Pixels per side that the net sees.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="bf16 keeps the weights in float32.")
@root_option
@click.option(
    "--set", "pairs", multiple=True, metavar="PATH=VALUE", help="Any setting of config.json; may be repeated."
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings from a .json or .toml file.")
@click.option("--run", "folder", type=click.Path(path_type=Path), help="The run folder. By default runs/DATA-MODEL-N.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted, or for more --epochs.")
@json_option
def command(
    data: str | None,
    model: str | None,
    pairs: tuple[str, ...],
    file: Path | None,
    folder: Path | None,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train on DATA: a known name (`alexnet data` lists them) or a folder with a folder of pictures for each class.

    \b
    alexnet train sample
    alexnet train flowers/ --model half --epochs 8
    alexnet train --resume --run runs/flowers-half-1
    """
    settings = _settings(options, pairs)
    if not data and not (resume and folder):
        raise ConfigError("DATA is missing.", "Name a data set or a folder, for example: alexnet train sample")
    if model is not None:
        find_variant(model)
    if not resume:
        assert data is not None
        _train_new(data, model, settings, file, folder, as_json)
        return
    if file is not None:
        raise ConfigError("--config cannot be used with --resume.", "The run's own settings are used.")
    if data:
        from ..data import default_model

        folder = folder or _newest_run(data, model or default_model(data))
        settings = {"data.name": data, **settings}
    if model is not None:
        settings = {"model.name": model, **settings}
    assert folder is not None
    from ..training import train_on
    from .console import ConsoleReporter

    _print_result(train_on(folder, settings, reporter=ConsoleReporter(quiet=as_json)), as_json)


def _train_new(
    data: str, model: str | None, settings: dict[str, Any], file: Path | None, folder: Path | None, as_json: bool
) -> None:
    model = model or model_in_file(file)
    if model is not None:  # a mistake in the settings is said before torch is imported
        make_config(data, model, settings, file)
    from ..data import default_model
    from ..training import train_new
    from .console import ConsoleReporter

    config = make_config(data, model or default_model(data), settings, file)
    _print_result(train_new(config, run=folder, reporter=ConsoleReporter(quiet=as_json)), as_json)
