"""A training run on disk: its folder, record, metrics and checkpoints."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.errors import UserError
from social_dilemmas.run.checkpoint import Checkpoint, CheckpointFolder
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.ranks import ALONE, Ranks

logger = logging.getLogger(__name__)


class Run:
    """A run that can be interrupted at any time, and that ends in the same bytes if it is.

    `folder` takes `metrics.csv` and the `record` of what the run was made with, as `config.yaml`; it holds
    `checkpoints/` until the run is done. Of the `ranks` that share the run only the first writes.
    """

    def __init__(
        self,
        folder: Path,
        record: Mapping[str, Any],
        label: str,
        depends_on: Mapping[str, Any],
        ranks: Ranks = ALONE,
    ) -> None:
        """Prepare a run; checkpoints that depend on anything else than `depends_on` are never used."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.record = record
        self.label = label
        self.ranks = ranks
        self._checkpoints = CheckpointFolder(folder / "checkpoints", depends_on)
        self._path = folder / "metrics.csv" if ranks.is_main else None
        self._metrics = MetricsFile(None)
        self._kept = ""  # the metrics of the checkpoint that the run resumed from
        self._usage: Mapping[str, Any] | None = None
        self._usage_before: Mapping[str, Any] | None = None  # the run was resumed

    @property
    def metrics(self) -> str:
        """The metrics so far, as CSV."""
        return self._metrics.text

    def resume(self, restore: Callable[[Checkpoint], None]) -> int:
        """Go on from the last checkpoint, if there is one; gives the number of finished iterations."""
        checkpoint = self._checkpoints.latest()
        self._metrics = MetricsFile(self._path, checkpoint.metrics if checkpoint else "")
        self._kept = self.metrics
        if checkpoint is not None:
            logger.info("%s: resuming after iteration %d", self.label, checkpoint.iteration)
            self._usage = self._usage_before = checkpoint.usage
            restore(checkpoint)
        self.ranks.barrier()  # before the first checkpoint is written, all must have read the last
        return checkpoint.iteration if checkpoint else 0

    @contextmanager
    def saved_on_failure(self, checkpoint: Callable[[str], Checkpoint]) -> Iterator[None]:
        """Save what is finished if something is lost for good, such as a server; `checkpoint` takes the metrics."""
        try:
            yield
        except UserError:
            if self.metrics != self._kept:
                self.save(checkpoint(self.metrics))
            raise

    def log(
        self, row: Mapping[str, float | int], usages: Sequence[Mapping[str, Any] | None] = ()
    ) -> str:
        """Append an iteration's metrics; gives words on how it stands.

        `usages` are what the players behind an API used in every rank since the process began.
        """
        self._metrics.append(row)
        self._usage = total_usage([self._usage_before, *usages])
        payoff = row["payoff"]  # none where past agents were met in all matches
        return "" if math.isnan(payoff) else f"{payoff:.3g} points a round"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint."""
        if self.ranks.is_main:
            self._checkpoints.save(replace(checkpoint, usage=self._usage))

    def finish(self) -> None:
        """Write the record, and what players behind an API used; checkpoints are no longer needed."""
        text = yaml.safe_dump(dict(self.record), sort_keys=False)
        (self.folder / "config.yaml").write_text(text)
        if self._usage is not None:
            (self.folder / "usage.json").write_text(json.dumps(self._usage, indent=1) + "\n")
        self._checkpoints.remove()


def total_usage(usages: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The sum of what the players behind an API used in every rank; of costs, None where some aren't known."""
    found = [usage for usage in usages if usage is not None]
    return {key: _total([usage[key] for usage in found]) for key in found[0]} if found else None


def _total(values: list[Any]) -> Any:
    if None in values:
        return None
    return sum(values) if isinstance(values[0], int | float) else values[0]
