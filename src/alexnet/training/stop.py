"""Ctrl-C and SIGTERM: the first asks the training to save and stop, the second stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Stopped(Exception):
    """A signal came in the middle of an evaluation."""


class StopSignals:
    """While in this context, a signal sets `number` instead of ending the process.

    Outside the main thread, where Python cannot listen to signals, it does nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise SystemExit(128 + number)
        self.number = number

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave back

    def check(self, _: int = 0) -> None:
        """Raises `Stopped` if a signal has come; for the middle of evaluations."""
        if self.number:
            raise Stopped
