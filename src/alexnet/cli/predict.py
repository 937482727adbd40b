"""`alexnet predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError
from .options import device_option, json_option

if TYPE_CHECKING:
    from ..predict import Prediction

MAX_DRAWN = 60


def _facts(prediction: Prediction) -> dict[str, Any]:
    if prediction.error:
        return {"path": prediction.path, "error": prediction.error}
    guesses = [
        {"label": guess.label, "index": guess.index, "probability": guess.probability} for guess in prediction.guesses
    ]
    return {"path": prediction.path, "guesses": guesses}


def _print(prediction: Prediction) -> None:
    from .console import err, printable

    if prediction.error:
        err().print(printable(f"{prediction.path} {prediction.error}"), style="red", markup=False, soft_wrap=True)
        return
    guesses = "  ".join(f"{printable(guess.label)} {guess.probability:.1%}" for guess in prediction.guesses)
    click.echo(f"{printable(prediction.path)}: {guesses}")


def _write_csv(path: Path, predictions: list[Prediction]) -> None:
    from ..runs import write_csv

    rows: list[tuple[object, ...]] = [
        (item.path, rank, guess.label, guess.index, f"{guess.probability:.6f}", "")
        for item in predictions
        for rank, guess in enumerate(item.guesses, start=1)
    ]
    rows += [(item.path, "", "", "", "", item.error) for item in predictions if item.error]
    write_csv(path, ("path", "rank", "label", "index", "probability", "error"), rows)


def draw_predictions(path: Path, predictions: list[Prediction]) -> None:
    """Writes a PNG of each picture with its guess; the first sixty where there are more."""
    from PIL import Image

    from ..data import open_picture, to_pixels
    from ..figures import Captioned, draw_gallery
    from ..runs import write_bytes

    captioned = []
    for item in [item for item in predictions if item.guesses][:MAX_DRAWN]:
        picture = open_picture(item.path)
        picture.thumbnail((256, 256), Image.Resampling.BILINEAR)
        lines = tuple(f"{guess.label} {guess.probability:.0%}" for guess in item.guesses[:2])
        captioned.append(Captioned(pixels=to_pixels(picture), lines=(Path(item.path).name, *lines)))
    write_bytes(path, draw_gallery(captioned))


@click.command("predict", short_help="Say what pictures show.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many guesses.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write a table of all guesses.")
@click.option("--figure", type=click.Path(path_type=Path), help="Draw each picture with its guess into a PNG.")
@device_option
@click.option(
    "--runtime",
    type=click.Choice(["auto", "onnx", "torch"]),
    default="auto",
    help="What computes. By default ONNX Runtime.",
)
@json_option
def command(
    run: Path,
    pictures: tuple[str, ...],
    top: int,
    csv_file: Path | None,
    figure: Path | None,
    device: str,
    runtime: str,
    as_json: bool,
) -> None:
    """Say what PICTURES show: files, or folders with all pictures below them.

    RUN is a run folder or a weights file. A file that cannot be read is reported, and the rest goes on.
    """
    from ..predict import list_pictures, load
    from .console import err, print_json

    classifier = load(run, device, runtime)
    found: list[Prediction] = []
    for prediction in classifier.predict_files(list_pictures(pictures), top):
        found.append(prediction)
        if as_json:
            print_json(_facts(prediction))
        else:
            _print(prediction)
    if csv_file is not None:
        _write_csv(csv_file, found)
    if figure is not None and any(item.guesses for item in found):
        draw_predictions(figure, found)
    failed = sum(bool(item.error) for item in found)
    if failed == len(found):
        raise DataError(
            f"None of {failed} pictures could be read.", "JPEG, PNG, WebP, BMP, TIFF, GIF and PPM are read."
        )
    if failed and not as_json:
        err().print(f"{failed} of {len(found)} pictures could not be read.", style="red")
