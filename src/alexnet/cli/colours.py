"""`alexnet data pca`: the principal components of a data set's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError

if TYPE_CHECKING:
    from ..data import Colours

STRENGTH = 0.1
IMAGENET = (0.2175, 0.0188, 0.0045)
"""ImageNet's eigenvalues in common use, for colours from 0 to 1 (first in fb.resnet.torch)."""


def _facts(name: str, pictures: int, colours: Colours) -> dict[str, Any]:
    strengths = {
        rule: [float(value) for value in (colours.noise(STRENGTH, rule) ** 2).sum(axis=0) ** 0.5]
        for rule in ("paper", "program")
    }
    return {
        "name": name,
        "pictures": pictures,
        "eigenvalues": [float(value) / 255**2 for value in colours.values],
        "deviations": [float(value) ** 0.5 for value in colours.values],
        "vectors": colours.vectors.T.tolist(),
        "noise": {"strength": STRENGTH, **strengths},
    }


def show_colours(data: str, root: str | None, as_json: bool) -> None:
    """Prints the components of the training pictures of DATA, and the noise that each rule makes of them.

    Raises:
        DataError: the pictures are grey.
    """
    from ..data import find_colours, open_data
    from .console import ConsoleReporter, print_json, print_table, printable

    reporter = ConsoleReporter(quiet=as_json)
    opened = open_data(data, root=root, progress=reporter.decoding)
    reporter.close()
    if opened.channels != 3:
        raise DataError(f"The pictures of «{opened.name}» are grey; there are no colours to analyse.", "Name another.")
    train = opened.splits["train"]
    facts = _facts(opened.name, len(train), find_colours(train, 3))
    if as_json:
        print_json(facts)
        return
    rows = [
        [
            f"{number + 1}",
            f"{facts['eigenvalues'][number]:.5f}",
            f"{IMAGENET[number]:.4f}",
            f"{facts['deviations'][number]:.2f}",
            "  ".join(f"{value:+.4f}" for value in facts["vectors"][number]),
            f"{facts['noise']['paper'][number]:.2f}",
            f"{facts['noise']['program'][number]:.2f}",
        ]
        for number in range(3)
    ]
    header = ["component", "eigenvalue", "ImageNet's", "deviation", "R  G  B", "noise, paper", "noise, program"]
    print_table(header, rows, title=f"{printable(opened.name)}: {len(train):,} training pictures")
    click.echo(
        "\nEigenvalues for colours from 0 to 1; deviations and noise (at a strength of 0.1) in grey levels of 255."
        "\nThe paper scales noise by the eigenvalue, the 2012 program by the standard deviation:"
        "\n--set augment.colour_noise=0.1 --set augment.colour_rule=paper"
    )
