"""Reading a `metrics.csv` that a run is perhaps still writing."""

import csv
from contextlib import suppress
from math import isfinite
from pathlib import Path


def rows_so_far(path: Path) -> list[dict[str, float]]:
    """The complete rows of a file; a line that isn't all there yet, or damaged, is left out. [] without a file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = csv.reader(text[: text.rfind("\n") + 1].splitlines())
    columns = next(lines, [])
    rows = []
    for line in lines:
        if line and len(line) == len(columns):
            with suppress(ValueError):
                rows.append(dict(zip(columns, map(float, line), strict=True)))
    return rows


def by_iteration(rows: list[dict[str, float]]) -> dict[int, dict[str, float]]:
    """The metrics of each iteration, or step, without those that nobody could measure.

    Two learners' stand side by side, as `learner_1/payoff` and `learner_2/payoff`.
    """
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        (_, iteration), *metrics = row.items()
        if not isfinite(iteration):
            continue
        whose = f"learner_{row['learner']:g}/" if "learner" in row else ""
        own = {whose + name: value for name, value in metrics if name != "learner"}
        known = {name: value for name, value in own.items() if isfinite(value)}
        found.setdefault(int(iteration), {}).update(known)
    return found
