"""`alexnet train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import RunConfig, make_config, model_in_file, parse_setting
from ..errors import ConfigError, WeightsError
from ..spec import find_variant
from .options import json_option, own_name, root_option

if TYPE_CHECKING:
    from ..training import RateSearch, Run, Seeds

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


def _print_seeds(seeds: Seeds, as_json: bool) -> None:
    from .console import print_json

    found = seeds.summary()
    if as_json:
        print_json(found)
        return
    for run in found["runs"]:
        click.echo(f"seed {run['seed']}  top-1 {run['top1']:.4f}  top-5 {run['top5']:.4f}  loss {run['loss']:.4f}")
    parts = "  ".join(
        f"{name} {found[key]['mean']:.4f} ± {found[key]['spread']:.4f}"
        for key, name in (("top1", "top-1"), ("top5", "top-5"), ("loss", "loss"))
    )
    click.echo(f"{parts}  (mean and standard deviation of {found['n']} seeds)\nEverything lies in {seeds.folder}")


def _print_search(search: RateSearch, as_json: bool) -> None:
    from .console import print_json

    if as_json:
        print_json(search.summary())
        return
    stable = "" if search.largest_stable is None else f", the largest stable rate {search.largest_stable:.2g}"
    click.echo(
        f"The loss is lowest at a rate of {search.lowest:.2g}{stable}: try --lr {search.suggested:g}\n"
        f"Look at {search.folder / 'find-lr.png'}"
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
@click.option("--seeds", type=int, metavar="N", help="Train with N seeds; mean and spread.")
@click.option("--find-lr", is_flag=True, help="Look for a good learning rate by a short training; with a plot.")
@json_option
def command(
    data: str | None,
    model: str | None,
    pairs: tuple[str, ...],
    file: Path | None,
    folder: Path | None,
    resume: bool,
    seeds: int | None,
    find_lr: bool,
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
    if find_lr and (resume or seeds is not None):
        raise ConfigError("--find-lr cannot be used with --resume or --seeds.", "Search first, then train.")
    if seeds is not None or find_lr:
        if data is None:
            raise ConfigError("DATA is missing.", "Name the data beside --seeds.")
        _search_or_repeat(data, model, settings, file, folder, seeds, resume, as_json)
        return
    if not resume:
        assert data is not None
        _train_new(data, model, settings, file, folder, as_json)
        return
    if file is not None:
        raise ConfigError("--config cannot be used with --resume.", "The run's own settings are used.")
    if data:
        from ..data import default_recipe

        folder = folder or _newest_run(data, model or default_recipe(data).model.name)
        settings = {"data.name": data, **settings}
    if model is not None:
        settings = {"model.name": model, **settings}
    assert folder is not None
    from ..training import train_on
    from .console import ConsoleReporter

    _print_result(train_on(folder, settings, reporter=ConsoleReporter(quiet=as_json)), as_json)


def _make_config(data: str, model: str | None, settings: dict[str, Any], file: Path | None) -> RunConfig:
    """The settings of a new run; a mistake in them is said before torch is imported."""
    model = model or model_in_file(file)
    if model is not None:
        return make_config(data, model, settings, file)
    from ..data import default_recipe

    return make_config(data, default_recipe(data), settings, file)


def _search_or_repeat(
    data: str,
    model: str | None,
    settings: dict[str, Any],
    file: Path | None,
    folder: Path | None,
    seeds: int | None,
    resume: bool,
    as_json: bool,
) -> None:
    """`--find-lr`, or `--seeds`."""
    config = _make_config(data, model, settings, file)
    from ..training import find_rate, train_seeds
    from .console import ConsoleReporter

    reporter = ConsoleReporter(quiet=as_json)
    if seeds is None:
        _print_search(find_rate(config, run=folder, reporter=reporter), as_json)
    else:
        _print_seeds(train_seeds(config, seeds, run=folder, resume=resume, typed=settings, reporter=reporter), as_json)


def _train_new(
    data: str, model: str | None, settings: dict[str, Any], file: Path | None, folder: Path | None, as_json: bool
) -> None:
    config = _make_config(data, model, settings, file)
    from ..training import train_new
    from .console import ConsoleReporter

    _print_result(train_new(config, run=folder, reporter=ConsoleReporter(quiet=as_json)), as_json)
