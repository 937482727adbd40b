"""What a training tells whoever watches it."""

from __future__ import annotations

from typing import Any, Protocol


class Reporter(Protocol):
    """The terminal, a test, or nobody."""

    def note(self, text: str) -> None:
        """One sentence that a person should read."""

    def decoding(self, done: int, total: int) -> None:
        """So many files of a folder are decoded."""

    def begin_epoch(self, epoch: int, epochs: int, done: int, total: int) -> None:
        """An epoch begins (counted from 1), or goes on after `done` of `total` pictures."""

    def advance(self, pictures: int, rates: dict[str, float]) -> None:
        """A batch is done; `rates` are those of the epoch so far."""

    def begin_evaluation(self, split: str, total: int) -> None:
        """The pictures of a split are about to be evaluated."""

    def end_epoch(self, epoch: int, epochs: int, train: dict[str, float], held_out: dict[str, Any], split: str) -> None:
        """An epoch is done and evaluated."""

    def close(self) -> None:
        """Nothing more comes."""


class Silent:
    """Tells nobody."""

    def note(self, text: str) -> None: ...

    def decoding(self, done: int, total: int) -> None: ...

    def begin_epoch(self, epoch: int, epochs: int, done: int, total: int) -> None: ...

    def advance(self, pictures: int, rates: dict[str, float]) -> None: ...

    def begin_evaluation(self, split: str, total: int) -> None: ...

    def end_epoch(
        self, epoch: int, epochs: int, train: dict[str, float], held_out: dict[str, Any], split: str
    ) -> None: ...

    def close(self) -> None: ...
