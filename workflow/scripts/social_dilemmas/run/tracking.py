"""Hands a job's metrics to an experiment tracker while they are written. No result depends on it.

A thread beside the job follows its `metrics.csv`, so that a tracker may be slow, hang or fail at no cost to the job.
The trackers are those of accelerate. All that belongs to them lies below `results/{scale}/tracking`.
"""

import json
import logging
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

from social_dilemmas.config import paths
from social_dilemmas.errors import UserError
from social_dilemmas.run.fingerprint import combined
from social_dilemmas.run.rows import by_iteration, rows_so_far

logger = logging.getLogger(__name__)
EVERY = 5.0  # seconds from one look at the metrics to the next
PATIENCE = 60.0  # seconds in which a tracker must have taken what is left when the job is done
PLACES = {"trackio": ("TRACKIO_DIR", "{}"), "mlflow": ("MLFLOW_TRACKING_URI", "sqlite:///{}.db")}
"""Where trackers write that learn it from a variable, unless the user has set it."""


def check_tracker(kind: str) -> None:
    """Raise UserError if jobs that run in this environment lack the package of the tracker."""
    if kind != "none" and find_spec(kind) is None:
        how = "call make trackers" if kind in ("tensorboard", "trackio") else "install it"
        raise UserError(
            f"tracker is {kind}, but there is no package {kind}: {how}, or set it to none"
        )


@dataclass
class Track:
    """What a tracker has of a run, as it is on disk.

    Attributes:
        stamp: tells a run that was interrupted from one that began anew, with other settings or from another model.
        number: how many runs of its name there were.
        sent: the last iteration that the tracker was given.
        id: the tracker's own name of the run, where it makes one up (MLflow).
    """

    stamp: str
    number: int = 1
    sent: int = -1
    id: str | None = None

    @classmethod
    def at(cls, path: Path, stamp: str) -> "Track":
        """The track at a path where it is of the same run, else a new one."""
        try:
            last = cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls(stamp)
        return last if last.stamp == stamp else cls(stamp, last.number + 1)

    def write(self, path: Path) -> None:
        """Write it down, all of it or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)) + "\n")
        partial.replace(path)


class Follower:
    """Takes a job's metrics to its tracker."""

    def __init__(self, snakemake: Any) -> None:
        self._kind: str = snakemake.config["tracker"]
        self._metrics = Path(snakemake.output.metrics)
        scale: str = snakemake.config["scale"]
        # The run is named by its folder: stage, game, model, algorithm and seed.
        run = self._metrics.parent.as_posix()
        before, within, name = run.rpartition(f"{paths.results(scale)}/")
        self._name, self._project = name, f"social_dilemmas-{scale}"
        self._folder = Path(before + within, "tracking", self._kind).absolute()
        self._path = self._folder.parent / "sent" / self._kind / f"{name}.json"
        self._settings = _flat(dict(snakemake.wildcards.items()) | dict(snakemake.params.items()))
        self._track = Track.at(self._path, self._stamp(snakemake.input))
        self._tracker: Any = None

    def follow(self, done: Event) -> None:
        """Send what there is, again and again until the job is done."""
        while not done.wait(EVERY):
            self.send()
        self.send(done=True)
        if self._tracker is not None:
            self._tracker.finish()

    def _stamp(self, inputs: Iterable[str]) -> str:
        """The same for a run that goes on from a checkpoint."""
        from social_dilemmas.config.settings import ROUNDING_ONLY  # not where there is no tracker

        settings = {
            key: value
            for key, value in self._settings.items()
            if not ROUNDING_ONLY.intersection(key.split("."))
        }
        times = [Path(path).stat().st_mtime for path in inputs]
        return combined([self._name, json.dumps(settings, sort_keys=True), *map(str, times)])

    def send(self, *, done: bool = False) -> None:
        """Send the iterations that the tracker hasn't had; the last one may lack a learner while the job runs."""
        iterations = sorted(by_iteration(rows_so_far(self._metrics)).items())
        for iteration, metrics in iterations if done else iterations[:-1]:
            if iteration > self._track.sent:
                if self._tracker is None:
                    self._open()
                # Written first: nothing is sent twice, whatever happens.
                self._track.sent = iteration
                self._track.write(self._path)
                self._tracker.log({"iteration": iteration, **metrics}, step=iteration)

    def _open(self) -> None:
        """Begin a track, or go on with it; not before there are metrics, when the job has imported what it needs."""
        if self._kind in PLACES:
            variable, place = PLACES[self._kind]
            os.environ.setdefault(variable, place.format(self._folder))
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState(cpu=True)  # trackers ask which process they are in, and that would take a GPU
        self._tracker = LOGGER_TYPE_TO_CLASS[self._kind](**self._options())
        self._tracker.start()
        self._track.id = getattr(getattr(self._tracker.tracker, "info", None), "run_id", None)
        if self._track.sent < 0:
            self._tracker.store_init_configuration(self._settings)

    def _options(self) -> dict[str, Any]:
        """What accelerate's tracker is called with; what it calls the name of a run, most take for their project."""
        track = self._track
        name = f"{self._name} ({track.number})" if track.number > 1 else self._name
        # Settings go along, as a run that goes on would lose them.
        project: dict[str, Any] = {
            "run_name": self._project,
            "name": name,
            "config": self._settings,
            "resume": "allow",
        }
        options: dict[str, dict[str, Any]] = {
            "tensorboard": {"run_name": name, "logging_dir": self._folder},
            "trackio": {
                **project,
                "auto_log_cpu": False,
                "auto_log_gpu": False,
            },
            "wandb": {
                **project,
                "id": track.stamp,
                "dir": self._folder.parent,
            },
            "mlflow": {"experiment_name": self._project, "run_name": name, "run_id": track.id},
        }
        return options[self._kind]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings without mappings in them, such as `settings.buffer.size`; other lists are texts."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            value = {str(number): each for number, each in enumerate(value, 1)}
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat


@contextmanager
def tracked(snakemake: Any) -> Iterator[None]:
    """While the body of a job runs, its metrics go to the tracker of the configuration, if there are any.

    A tracker that fails is told of, and the job goes on without it.
    """
    kind = snakemake.config.get("tracker", "none")
    if kind == "none" or not snakemake.output.get("metrics"):
        yield
        return
    done = Event()

    def follow() -> None:
        try:
            Follower(snakemake).follow(done)
        except Exception as error:
            traceback.print_exc()
            what = f"{type(error).__name__}: {error}"
            logger.warning("tracker %s failed, the job goes on without it (%s)", kind, what)

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(PATIENCE)
        if thread.is_alive():
            logger.warning("tracker %s hasn't taken all metrics in %g s", kind, PATIENCE)
