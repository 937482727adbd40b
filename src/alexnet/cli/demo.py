"""`alexnet demo`: the whole tour in a minute or two."""

from __future__ import annotations

import io
from pathlib import Path

import click

from ..config import make_config
from ..runs import make_folder, slug, write_bytes
from .options import json_option, own_name

SETTINGS = {"training.epochs": 8, "optim.momentum": 0.9}
"""The tutorial has no momentum and needs more epochs; chosen on the validation pictures (docs/log.md)."""


def _write_pictures(folder: Path) -> list[str]:
    """Five test pictures of five classes as PNG files, the way a person's own would lie on the disk."""
    from PIL import Image

    from ..data import open_data

    data = open_data("sample")
    test = data.splits["test"]
    paths = []
    for number in (9, 1, 12, 5, 18):  # classes stand in turn: boot, trousers, pullover, sandal, bag
        pixels, labels = test.batch(test.rows[number : number + 1])
        path = make_folder(folder) / f"{slug(data.classes[labels[0]])}.png"
        png = io.BytesIO()
        Image.fromarray(pixels[0, 0]).save(png, "PNG")
        write_bytes(path, png.getvalue())
        paths.append(str(path))
    return paths


@click.command("demo", short_help="The whole tour.")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="The run folder. By default runs/sample-keras-N."
)
@json_option
def command(folder: Path | None, as_json: bool) -> None:
    """Train the Keras AlexNet on 4,800 pictures of clothes, evaluate it on 1,000 others, predict five; all offline."""
    from ..predict import load
    from ..training import train_new
    from .console import ConsoleReporter, err, print_json
    from .predict import draw_predictions

    reporter = ConsoleReporter(quiet=as_json)
    reporter.note("Training the Keras tutorial's AlexNet on the sample of Fashion-MNIST that ships inside the package.")
    run = train_new(make_config("sample", "keras", SETTINGS), run=folder, reporter=reporter)
    classifier = load(run.folder)
    predictions = list(classifier.predict_files(_write_pictures(run.folder / "pictures"), top=3))
    draw_predictions(run.folder / "predictions.png", predictions)
    if as_json:
        print_json(run.summary())
        return
    m = run.metrics
    err().print("")
    for item in predictions:
        click.echo(f"{Path(item.path).name}: " + "  ".join(f"{g.label} {g.probability:.1%}" for g in item.guesses))
    click.echo(
        f"\nRight on {m['top1']:.1%} of {m['n']:,} test pictures (top-1 {m['top1']:.4f}) after {m['epochs']} epochs,"
        f" {m['seconds']:,.0f} s.\n"
        f"Everything lies in {run.folder}:\n"
        f"  {run.folder / 'report.html'}       curves, confusion, samples, filters, settings\n"
        f"  {run.folder / 'predictions.png'}   five pictures and what the net says\n"
        f"  {run.folder / 'model.safetensors'} the weights\n"
        f"Next: {own_name()} predict {run.folder} {run.folder / 'pictures'}\n"
        f"      {own_name()} train FOLDER    (a folder of your pictures for each class)"
    )
