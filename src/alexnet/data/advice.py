"""The list that `alexnet data --fix` writes: which pictures to leave out, and which to look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError, DataError
from ..runs import cell_text
from .doubles import Group
from .folder import FolderListing, Listing
from .survey import Survey

HEADER = ("path", "problem", "advice", "with")
LEAVE_OUT = "leave out"
LOOK = "look at it"


def read_leave_out(file: Path) -> set[str]:
    """The pictures that a list marks for leaving out, as its cells spell them (`runs.cell_text`).

    Raises:
        ConfigError: there is no such file.
        DataError: it is no such list; says where.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"The list {file} cannot be read: {error.strerror}.", "`alexnet data FOLDER --fix` writes one."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"The list {file} is no text in UTF-8.", "Save it as CSV in UTF-8.") from error
    table = csv.DictReader(io.StringIO(text, newline=""))
    if not {"path", "advice"} <= set(table.fieldnames or ()):
        raise DataError(
            f"{file} has no columns «path» and «advice», separated by commas.",
            "`alexnet data FOLDER --fix` writes such a list.",
        )
    marked = set()
    for row in table:
        if row["advice"] not in (LEAVE_OUT, LOOK, ""):
            raise DataError(
                f"Line {table.line_num} of {file} advises «{row['advice']}».",
                f"Write «{LEAVE_OUT}», «{LOOK}» or nothing.",
            )
        if row["advice"] == LEAVE_OUT:
            marked.add(row["path"])
    return marked


def leave_out(listing: FolderListing, file: Path) -> FolderListing:
    """The listing without the pictures that a list marks for leaving out; its notes say how many.

    Raises:
        ConfigError: there is no such list.
        DataError: it is no such list, or leaves nothing of a class.
    """
    marked = read_leave_out(file)
    splits, seen = {}, 0
    for split, old in listing.splits.items():
        kept = [i for i, path in enumerate(old.paths) if cell_text(path) not in marked]
        splits[split] = Listing(paths=[old.paths[i] for i in kept], labels=[old.labels[i] for i in kept])
        emptied = sorted(set(old.labels) - set(splits[split].labels))
        if emptied:
            raise DataError(
                f"{file} leaves out every {split} picture of «{listing.classes[emptied[0]]}».",
                "Take some of them from the list.",
            )
        seen += len(old.paths) - len(kept)
    note = f"Pictures left out, as {file} says: {seen}"
    note += f"; not in the folder are {len(marked) - seen} more that it names" if seen < len(marked) else ""
    return replace(listing, splits=splits, notes=(*listing.notes, note))


def _advise_on(group: Group) -> Iterator[tuple[str, str, str, str]]:
    what = {"file": "same file", "pixels": "same pixels", "near": "near-duplicate"}[group.same]
    if group.is_contradiction:
        what += " in several classes"
    if group.is_leak:
        what += f" in {' and '.join(group.splits)}"
    if group.same != "near" and not group.is_contradiction:
        for copy in group.others:
            yield copy.path, what, LEAVE_OUT, group.kept.path
        return
    for copy in group.copies:
        other = next(
            (c for c in group.copies if c.label != copy.label),
            next(c for c in group.copies if c is not copy),
        )
        yield copy.path, what, LOOK, other.path


def advise(survey: Survey) -> list[tuple[str, str, str, str]]:
    """The rows of the list: path, problem, advice, and the other picture that it is about.

    Of identical copies all but one are left out: test is kept before val and val before train, so that what is
    measured on stays. Copies in several classes and near-duplicates are a person's to judge.
    """
    rows = [(item.path, item.reason, LEAVE_OUT, "") for item in survey.damaged]
    return rows + [row for group in survey.groups for row in _advise_on(group)]
