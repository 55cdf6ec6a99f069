"""What trainings have learned so far, and what agents said to each other, from the files of a scale."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from social_dilemmas.config import paths
from social_dilemmas.errors import UserError
from social_dilemmas.report.figures.style import COLOURS, OTHER_COLOURS
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.report.pages.transcript import summarise
from social_dilemmas.run.rows import by_iteration, rows_so_far

STAGES = {
    "Self-play": (paths.TRAINING, "{algorithm}"),
    "Against opponents that don't learn": (paths.LEARNER, "{algorithm} against {opponent}"),
    "Ablations": (paths.VARIANT.replace("{section}", "ablations"), "{variant}"),
    "Rivals": (paths.VARIANT.replace("{section}", "rivals"), "{variant}"),
    "Other priors": (paths.PRIOR_TRAINING, "{algorithm}, share {share}"),
    "Two learners": (paths.TWO_LEARNERS, "{first} and {second}"),
}
"""Where the trainings of every stage are, and what tells those of a game apart."""
POINTS = 150  # of a curve; of a longer one, some are left out
Iterations = dict[int, dict[str, float]]


class Curves:
    """Learning curves of all trainings below a folder; only files that have changed are read again."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._read: dict[Path, tuple[tuple[int, int], Iterations]] = {}

    def shown(self, metric: str) -> dict[str, Any]:
        """All metrics that there are, and the panels: for each stage, game and model, a curve for each run."""
        panels: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        metrics: dict[str, None] = {}
        for stage, (path, label) in STAGES.items():
            for file, names in found(self._results, f"{path}/metrics.csv"):
                iterations = self._iterations(file)
                for row in list(iterations.values())[:1]:
                    metrics |= dict.fromkeys(name.rpartition("/")[2] for name in row)
                said = label.format(**{key: readable(name) for key, name in names.items()})
                name = names.get("algorithm", said) if label == "{algorithm}" else said
                place = (stage, title(names["game"]), names["model"])
                panels[place] += curves(iterations, metric, name, names["seed"])
        return {
            "metrics": list(metrics),
            "panels": [
                {"stage": stage, "game": game, "model": model, **drawn(lines)}
                for (stage, game, model), lines in panels.items()
            ],
        }

    def _iterations(self, file: Path) -> Iterations:
        stamp = modified(file)
        if file not in self._read or self._read[file][0] != stamp:
            self._read[file] = (stamp, by_iteration(rows_so_far(file)))
        return self._read[file][1]


def curves(iterations: Iterations, metric: str, name: str, seed: str) -> list[dict[str, Any]]:
    """The curve of a run, or those of its two learners, as points of iteration and value."""
    lines = []
    for key, suffix in (
        (metric, ""),
        (f"learner_1/{metric}", ", first"),
        (f"learner_2/{metric}", ", second"),
    ):
        points = [[number, row[key]] for number, row in iterations.items() if key in row]
        if points:
            kept = points[:: -(-len(points) // POINTS)]
            last = points[-1:] if kept[-1] != points[-1] else []
            lines.append({"name": name + suffix, "seed": seed, "points": kept + last})
    return lines


def drawn(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The curves of a panel and its legend: a colour for each name, dashed where it has been used before."""
    names = in_order(line["name"] for line in lines)
    others = cycle([*OTHER_COLOURS, *COLOURS.values()])
    legend: dict[str, dict[str, Any]] = {}
    for name in names:
        colour = COLOURS.get(name) or next(others)
        dashed = any(other["colour"] == colour for other in legend.values())
        legend[name] = {
            "label": readable(name) if name in COLOURS else name,
            "colour": colour,
            "dashed": dashed,
        }
    return {"curves": lines, "legend": legend}


def transcripts(results: Path) -> list[dict[str, Any]]:
    """The last match of every pair whose transcripts there are, newest first; damaged files are left out."""
    listed = []
    files = found(results, f"{paths.TRANSCRIPT}.json")
    for file, names in sorted(files, key=lambda each: modified(each[0]), reverse=True):
        if told := transcript(file):
            summary = summarise(told)
            rounds = [
                [[reply["reply"] for reply in replies] for replies in each["replies"]]
                for each in told["matches"][-1]["rounds"]
            ]
            listed.append(
                {
                    "link": "/" + paths.TRANSCRIPT.format(**names),
                    **{key: summary[key] for key in ("title", "game", "agents", "payoffs")},
                    "rounds": rounds,
                }
            )
    return listed


def transcript(file: Path) -> Mapping[str, Any] | None:
    """The transcripts in a file; None where it isn't there or not whole."""
    try:
        told: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        summarise(told)
        return told
    except (OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError):
        return None


def found(results: Path, path: str) -> list[tuple[Path, dict[str, str]]]:
    """The files at a pattern of `config.paths`, and what fills it in."""
    pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", re.sub(r"\.", r"\\.", path)))
    files = sorted(results.glob(re.sub(r"{\w+}", "*", path)))
    matches = ((file, pattern.fullmatch(file.relative_to(results).as_posix())) for file in files)
    return [(file, match.groupdict()) for file, match in matches if match]


def modified(file: Path) -> tuple[int, int]:
    """When a file was written last, and its size; zeros where it has just been removed."""
    try:
        state = file.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


def title(game: str) -> str:
    """The title of a game, or its name where the configuration no longer has it."""
    try:
        return game_title(game)
    except UserError:
        return game
