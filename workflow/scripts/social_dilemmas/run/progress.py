"""A steady line of progress with the time that is left."""

import logging
import time
from typing import Self

logger = logging.getLogger(__name__)

FIRST_LINE = 3.0  # seconds
OTHER_LINES = 10.0


class Progress:
    """Says now and then how far a job has come: `split, naive, seed 0: 40 of 80 (50%), 1 min left`.

    Several jobs share a terminal, so a line is written once and not overwritten. To be used in a `with` statement.
    """

    def __init__(self, total: int, label: str, done: int = 0) -> None:
        """Start the clock; of `total` steps some may be `done`, as after a resumption. Lines begin with `label`."""
        self._total = total
        self._label = label
        self._before = self._done = done
        self._start = time.monotonic()
        self._next_line = self._start + FIRST_LINE

    def advance(self, message: str = "", steps: int = 1) -> None:
        """Count finished steps; `message` says how things stand."""
        self._done += steps
        now = time.monotonic()
        if now >= self._next_line and self._done < self._total:
            self._next_line = now + OTHER_LINES
            pace = (now - self._start) / (self._done - self._before)  # seconds a step
            left = f"{duration(pace * (self._total - self._done))} left"
            share = f"{self._done} of {self._total} ({self._done / self._total:.0%})"
            logger.info(", ".join(filter(None, (f"{self._label}: {share}", left, message))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            logger.info("%s: done in %s", self._label, duration(time.monotonic() - self._start))


def duration(seconds: float) -> str:
    """A time span in words: `8 s`, `1 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
