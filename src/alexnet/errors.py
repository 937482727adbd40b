"""The errors that a person can cause, each with the exit code that the command leaves with.

Everything that is the user's to mend is an `AlexNetError` with one sentence that says what is
wrong and a hint that says what to do. Anything else that is raised is a bug of ours (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlexNetError(Exception):
    """Something that the user can mend.

    Args:
        message: one sentence: what is wrong, where, what was expected.
        hint: what to type or change next; may be empty.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(AlexNetError):
    """An argument, option or setting that cannot be used."""

    exit_code = 2
    kind = "config"


class DataError(AlexNetError):
    """A data set, folder or picture that cannot be used."""

    exit_code = 3
    kind = "data"


class WeightsError(AlexNetError):
    """A weights file, checkpoint or run folder that cannot be read."""

    exit_code = 4
    kind = "weights"


class DivergedError(AlexNetError):
    """The loss became infinite or not a number."""

    exit_code = 5
    kind = "diverged"


class StorageError(AlexNetError):
    """The disk is full, read-only or failing."""

    exit_code = 6
    kind = "storage"


class RunInUseError(AlexNetError):
    """The run folder exists already, or another process trains into it."""

    exit_code = 7
    kind = "in-use"


class Terminated(KeyboardInterrupt):
    """SIGTERM came where nothing listens for it in particular; like Ctrl-C, it unwinds and cleans up."""


class Interrupted(AlexNetError):
    """A signal stopped the training; everything needed to go on was saved.

    Args:
        signal_number: 2 for Ctrl-C, 15 for SIGTERM; the exit code is 128 plus it.
    """

    kind = "interrupted"

    def __init__(self, message: str, hint: str, signal_number: int) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number


MAX_NAMED = 20


def nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """The sentence that helps after a misspelling: the nearest known name, or the known ones.

    >>> nearest("papper", ["paper", "museum"])
    'Did you mean «paper»?'
    >>> nearest("lrr", ["lr", "momentum"], prefix="optim.")
    'Did you mean «optim.lr»?'
    >>> nearest("zzz", ["paper", "museum"])
    'Known are: paper, museum.'
    """
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean «{prefix}{close[0]}»?"
    return f"Known are: {', '.join(names[:MAX_NAMED])}{', …' if len(names) > MAX_NAMED else '.'}"
