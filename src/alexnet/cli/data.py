"""`alexnet data`."""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from .colours import show_colours
from .options import json_option, root_option

if TYPE_CHECKING:
    from ..data import Survey
    from ..data.pack import Progress

BAR_WIDTH = 24
SHOWN = 3
"""Names on a line; `--json` has all."""
SAME = {"file": "The same file", "pixels": "The same pixels in other files", "near": "Near-duplicates"}


def _facts(survey: Survey) -> dict[str, Any]:
    sizes, kinds = survey.sizes, survey.kinds
    return {
        "name": survey.name,
        "classes": list(survey.classes),
        "splits": {split: sum(counts) for split, counts in survey.counts.items()},
        "damaged": [{"path": item.path, "reason": item.reason} for item in survey.damaged],
        "counts": {split: list(counts) for split, counts in survey.counts.items()},
        "sizes": None if sizes is None else {name: list(side) for name, side in vars(sizes).items()},
        "kinds": {kind: list(names) for kind, names in kinds.items()},
        "other_formats": [{"path": path, "format": kind} for path, kind in survey.other_formats],
        "duplicates": [
            {
                "same": group.same,
                "paths": [copy.path for copy in group.copies],
                "splits": list(group.splits),
                "classes": list(dict.fromkeys(survey.classes[copy.label] for copy in group.copies)),
            }
            for group in survey.groups
        ],
        "nearly_empty": [{"class": name, "train": count} for name, count in survey.nearly_empty],
        "imbalance": survey.imbalance,
        "notes": list(survey.notes),
    }


def _print_sources(as_json: bool) -> None:
    from ..data import SOURCES, places
    from .console import print_json, print_table

    if as_json:
        print_json(
            [
                {"name": s.name, "classes": s.classes, "splits": {"train": s.train, "test": s.test}, "about": s.about}
                for s in SOURCES.values()
            ]
        )
        return
    rows = [
        [s.name, s.about, f"{s.classes}", f"{s.train:,} + {s.test:,}", f"{s.channels} × {s.side} × {s.side}"]
        for s in SOURCES.values()
    ]
    print_table(["name", "what", "classes", "pictures", "size"], rows)
    where = "\n  ".join(str(place) for place in places("NAME", None))
    click.echo(
        f"\nFiles are looked for in\n  {where}\nand downloaded into the last where they are in none.\n"
        "Also: a folder with a folder of pictures for each class; torchvision:NAME; hf:NAME."
    )


def _print_classes(survey: Survey) -> None:
    from .console import print_table, printable

    most = max(max(counts) for counts in survey.counts.values())
    rows = []
    for label, name in enumerate(survey.classes):
        numbers = [counts[label] for counts in survey.counts.values()]
        bar = "█" * max(round(BAR_WIDTH * numbers[0] / most), 1) if numbers[0] else ""
        rows.append([name, *[f"{number:,}" for number in numbers], bar])
    rows.append(["sum", *[f"{sum(counts):,}" for counts in survey.counts.values()], ""])
    print_table(["class", *survey.counts, ""], rows, title=printable(survey.name))


def _some(names: Iterable[str], between: str = ", ") -> str:
    """The first few names."""
    first = list(itertools.islice(names, SHOWN + 1))
    return between.join(first[:SHOWN]) + (f"{between}…" if len(first) > SHOWN else "")


def _copies_lines(survey: Survey) -> Iterator[str]:
    for same, what in SAME.items():
        groups = [group for group in survey.groups if group.same == same]
        if groups:
            shown = _some((_some((copy.path for copy in group.copies), " = ") for group in groups), "; ")
            yield f"{what}: {_number(groups, 'group')}: {shown}"
    if survey.groups and survey.by_seed:
        yield "Pictures are held out by seed, so that copies may lie on both sides."
    leaks = [group for group in survey.groups if group.is_leak]
    if leaks:
        shown = _some((f"{group.copies[0].path} ({' and '.join(group.splits)})" for group in leaks), "; ")
        yield f"Leakage: {_number(leaks, 'group')} of copies in several splits: {shown}"
    torn = [group for group in survey.groups if group.is_contradiction]
    if torn:
        named = (
            (group.copies[0].path, dict.fromkeys(survey.classes[copy.label] for copy in group.copies)) for group in torn
        )
        shown = _some((f"{path} ({' and '.join(classes)})" for path, classes in named), "; ")
        yield f"Contradicting labels: {_number(torn, 'group')} of copies in several classes: {shown}"


def _number(items: Sized, word: str) -> str:
    return f"{len(items):,} {word}{'' if len(items) == 1 else 's'}"


def _kind_lines(survey: Survey) -> Iterator[str]:
    from ..data import KINDS

    total = sum(sum(counts) for counts in survey.counts.values())
    for kind, names in survey.kinds.items():
        which = "all" if len(names) == total else f"{len(names):,} of {total:,}"
        yield f"Pictures that {KINDS[kind]}: {which}" + (f": {_some(names)}" if len(names) < total else "")
    if survey.other_formats:
        shown = _some(f"{path} ({kind})" for path, kind in survey.other_formats)
        yield f"Names with another format's ending, read by content: {len(survey.other_formats):,}: {shown}"


def _balance_lines(survey: Survey) -> Iterator[str]:
    if survey.nearly_empty:
        shown = _some(f"{name} ({count:,})" for name, count in survey.nearly_empty)
        yield f"Classes with very few training pictures: {len(survey.nearly_empty):,}: {shown}"
    if survey.imbalance is not None:
        yield f"The largest class has {survey.imbalance:,.0f} times the training pictures of the smallest."


def _print_survey(survey: Survey) -> None:
    from .console import printable

    _print_classes(survey)
    click.echo()
    if survey.sizes is not None:
        named = [(name, f"{side[0]:,} × {side[1]:,}") for name, side in vars(survey.sizes).items()]
        same = len({size for _, size in named}) == 1
        click.echo("Sizes: " + (f"all {named[0][1]} pixels" if same else ", ".join(f"{n} {size}" for n, size in named)))
    for line in (*survey.notes, *_kind_lines(survey), *_balance_lines(survey), *_copies_lines(survey)):
        click.echo(printable(line))
    if not survey.damaged:
        click.echo("No damaged files." + ("" if survey.groups else " No copies."))
        return
    click.echo(f"\n{_number(survey.damaged, 'damaged file')}, left out of training:")
    for item in survey.damaged:
        click.echo(f"  {printable(item.path)} {printable(item.reason)}")


def _survey(data: str, root: str | None, progress: Progress) -> Survey:
    from ..data import find_folder, is_folder, open_data, survey_arrays, survey_folder

    if is_folder(data):
        return survey_folder(find_folder(data), progress=progress)
    return survey_arrays(open_data(data, root=root))


def _target(data: str, file: Path | None) -> Path:
    """Where the list goes.

    Raises:
        ConfigError: DATA is no folder, the list would lie inside it, or exists already.
    """
    from ..data import find_folder, is_folder

    if not is_folder(data):
        raise ConfigError(f"--fix is for a folder of pictures; «{data}» is none.", "Leave it away.")
    folder = find_folder(data).resolve()
    target = file or Path(f"{folder.name or 'pictures'}-fix.csv")
    if target.resolve().is_relative_to(folder):
        raise ConfigError(
            f"{target} would lie inside the pictures' folder, in which nothing is written.",
            "Name a file elsewhere with --fix-to FILE.",
        )
    if target.exists():
        raise ConfigError(f"{target} exists already.", "Remove it, or name another file with --fix-to FILE.")
    return target


def _write_list(survey: Survey, target: Path) -> str:
    """Writes the list; a line that says so."""
    from ..data.advice import HEADER, LEAVE_OUT, LOOK, advise
    from ..runs import write_csv

    rows = advise(survey)
    write_csv(target, HEADER, rows)
    counts = Counter(row[HEADER.index("advice")] for row in rows)
    said = f"{target}: {counts[LEAVE_OUT]:,} to leave out, {counts[LOOK]:,} to look at."
    use = f" To train without them: --set {shlex.quote(f'data.leave_out={target}')}"
    return said + (use if counts[LEAVE_OUT] else "")


@click.command("data", short_help="List data sets.")
@click.argument("data", required=False)
@click.argument("of", required=False, metavar="")
@click.option("--fix", is_flag=True, help="Write a list of what to leave out, FOLDER-fix.csv; no picture is touched.")
@click.option("--fix-to", "file", type=click.Path(path_type=Path), help="Write that list under another name.")
@root_option
@json_option
def command(data: str | None, of: str | None, fix: bool, file: Path | None, root: str | None, as_json: bool) -> None:
    """List the known data sets, or say what DATA holds and what is odd about it.

    Every file of a folder is decoded: classes, splits, sizes, damaged files, copies. Nothing in it is changed.

    `alexnet data pca DATA` prints the principal components of its colours.
    """
    if of is not None:
        if data != "pca":
            raise ConfigError(f"«{of}» is one name too many.", "Name one DATA, or write: alexnet data pca DATA")
        show_colours(of, root, as_json)
        return
    if data is None:
        if fix or file:
            raise ConfigError("--fix needs a folder of pictures.", "Name it: alexnet data FOLDER --fix")
        _print_sources(as_json)
        return
    from .console import ConsoleReporter, print_json, printable

    target = _target(data, file) if fix or file else None
    reporter = ConsoleReporter(quiet=as_json)
    survey = _survey(data, root, reporter.decoding)
    reporter.close()
    if as_json:
        print_json({**_facts(survey), **({"fix": str(target)} if target else {})})
    else:
        _print_survey(survey)
    if target is not None:
        said = _write_list(survey, target)
        if not as_json:
            click.echo(f"\n{printable(said)}")
