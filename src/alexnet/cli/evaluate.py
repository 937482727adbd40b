"""`alexnet evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, DataError
from ..runs import find_run, make_folder, slug, write_json
from .options import device_option, json_option, root_option

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data import DataSet, PictureSet
    from ..predict import Classifier
    from .console import ConsoleReporter


def match_classes(data: DataSet, split: str, classifier: Classifier) -> PictureSet:
    """The split with labels as the classifier counts them; the order of class folders may differ.

    Raises:
        DataError: the data has a class that the classifier does not know.
    """
    import numpy as np

    unknown = [name for name in data.classes if name not in classifier.classes]
    if unknown:
        raise DataError(
            f"«{data.name}» has classes that this net was not trained on: {', '.join(unknown[:5])}.",
            f"It knows {', '.join(classifier.classes[:10])}.",
        )
    places = np.array([classifier.classes.index(name) for name in data.classes], np.int64)
    pictures = data.splits[split]
    return replace(pictures, labels=places[pictures.labels])


def _open(
    run: Path,
    data: str | None,
    root: str | None,
    config: RunConfig | None,
    classifier: Classifier,
    reporter: ConsoleReporter,
) -> DataSet:
    from ..data import open_data
    from ..training import open_pictures

    if data is None:
        if config is None:
            raise ConfigError("A weights file does not say what to evaluate on.", "Name DATA after it.")
        return open_pictures(config, reporter)
    picture = classifier.card.picture
    return open_data(data, root=root, size=picture.resize, mode=picture.fit, divide=False, progress=reporter.decoding)


@click.command("evaluate", short_help="Count how often a run is right.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("data", required=False)
@click.option(
    "--views", type=click.Choice(["1", "10"]), default="1", help="10: corners, centre and mirror pictures, averaged."
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write. By default RUN/evaluations/…")
@root_option
@device_option
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", help="As in training, where it is auto."
)
@json_option
def command(
    run: Path,
    data: str | None,
    views: str,
    output: Path | None,
    root: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Evaluate RUN on the test pictures of DATA, or on its validation pictures, or on all; each exactly once.

    By default DATA is what RUN was trained on. Writes rates, per-class rates, confusion and every prediction.
    """
    from ..data import check_ten_views
    from ..evaluate import evaluate
    from ..model import choose_machine
    from ..predict import TorchNet, load
    from ..training import read_run_config, write_evaluation
    from .console import ConsoleReporter, print_json

    classifier = load(run, device, "torch")
    assert isinstance(classifier.net, TorchNet)
    if views == "10":
        check_ten_views(classifier.card.picture)
    config = read_run_config(find_run(run)) if run.is_dir() else None
    reporter = ConsoleReporter(quiet=as_json)
    opened = _open(run, data, root, config, classifier, reporter)
    split = next(name for name in ("test", "val", "train") if name in opened.splits)
    pictures = match_classes(opened, split, classifier)
    if config is not None and precision == "auto":
        precision = config.training.precision
    machine = choose_machine(device, precision)
    ending = "-10views" if views == "10" else ""
    folder = output or (run if run.is_dir() else run.parent) / "evaluations" / f"{slug(opened.name)}-{split}{ending}"
    make_folder(folder)  # before the work, not after it
    reporter.begin_evaluation(split, len(pictures))
    result = evaluate(
        classifier.net.module,
        pictures,
        classifier.card.picture,
        machine,
        views=int(views),
        progress=lambda count: reporter.advance(count, {}),
    )
    reporter.close()
    facts = {**result.counts.rates(), "views": int(views)}
    write_evaluation(folder, pictures, result, classifier.classes)
    write_json(folder / "metrics.json", {**facts, "data": opened.name, "split": split, "precision": machine.precision})
    if as_json:
        print_json(facts)
        return
    click.echo(
        f"{split} top-1 {facts['top1']:.4f}  top-5 {facts['top5']:.4f}  loss {facts['loss']:.4f}"
        f"  ({facts['n']:,} pictures, views: {views})\nPer class, confusion and every prediction: {folder}"
    )
