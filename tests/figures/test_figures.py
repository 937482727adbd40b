"""The pictures that a run leaves: right size, right content where it can be counted, names that do no harm."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from alexnet.figures import Captioned, Section, draw_confusion, draw_curves, draw_filters, draw_gallery, write_report


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_curves_of_a_short_and_of_an_empty_history() -> None:
    rows = [
        {"step": 5, "epoch": 1, "split": "train", "loss": 2.0, "top1": 0.1},
        {"step": 10, "epoch": 1, "split": "train", "loss": 1.0, "top1": 0.5},
        {"step": 10, "epoch": 1, "split": "val", "loss": 1.2, "top1": 0.4},
    ]
    drawn = pixels_of(draw_curves(rows, 10))
    blue, orange = ((abs(drawn.astype(int) - colour).sum(2) < 60).sum() for colour in ((0, 114, 178), (213, 94, 0)))
    assert blue > 50
    assert orange > 20
    assert pixels_of(draw_curves([], 10)).shape == drawn.shape


@pytest.mark.parametrize("count", [2, 10, 100])
def test_confusion_of_few_and_many_classes(count: int) -> None:
    confusion = np.eye(count, dtype=np.int64) * 7
    confusion[0, 1] = 3
    drawn = pixels_of(draw_confusion(confusion, [f"class {i}" for i in range(count)]))
    assert max(drawn.shape[:2]) <= 2000


def test_gallery_shows_the_pictures_themselves() -> None:
    red = np.zeros((3, 20, 20), np.uint8)
    red[0] = 255
    grey = np.full((1, 28, 28), 128, np.uint8)
    names = ("a $very$ long name that goes on and on.jpg", "line\ud800", "日本")
    drawn = pixels_of(draw_gallery([Captioned(pixels=red, lines=names[:2]), Captioned(pixels=grey, lines=("x",))]))
    assert ((drawn == (255, 0, 0)).all(2)).sum() > 1000
    assert ((drawn == (128, 128, 128)).all(2)).sum() > 1000


@pytest.mark.parametrize(("filters", "towers"), [((96, 3, 11, 11), 2), ((20, 1, 5, 5), 1), ((64, 3, 11, 11), 1)])
def test_filters(filters: tuple[int, ...], towers: int) -> None:
    weights = np.random.default_rng(0).normal(0, 0.01, filters)
    drawn = pixels_of(draw_filters(weights, towers))
    coloured = (drawn.max(2).astype(int) - drawn.min(2) > 30).sum()
    assert (coloured > 1000) == (filters[1] == 3)


def test_report_escapes_what_a_person_named() -> None:
    section = Section(
        title="<b>", header=("<i>", "n"), rows=[("<script>alert(1)</script>", 3), ("b", 0.5)], code="</pre>"
    )
    text = write_report("<title>", "a & b", [section])
    assert "<script" not in text
    assert text.count("</pre>") == 1
    assert "&lt;script&gt;" in text
    assert "a &amp; b" in text
    assert '<td class="n">0.5000</td>' in text
