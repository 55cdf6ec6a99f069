"""Metrics of a run: one CSV row for each iteration, on disk as soon as it is known."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path


class MetricsFile:
    """Appends rows to a CSV file; the columns are those of the first row."""

    def __init__(self, path: Path | None, text: str = "") -> None:
        """Start the file, with what it held when the run was interrupted; without a path there is none."""
        self._path = path
        self.text = text
        if path is not None:
            path.write_text(text)

    def append(self, row: Mapping[str, float | int]) -> None:
        """Write a row."""
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(row), lineterminator="\n")
        if not self.text:
            writer.writeheader()
        writer.writerow({key: _written(value) for key, value in row.items()})
        self.text += buffer.getvalue()
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(buffer.getvalue())


def _written(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
