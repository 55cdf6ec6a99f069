"""The files of a run that is at work, as those who watch it find them."""

import json
import math
import os
import platform
import time
from itertools import product
from pathlib import Path

from tests.browser.sample import TOLD

GAMES = ("prisoners_dilemma", "split", "trust_and_split")
ALGORITHMS = ("naive", "sum_of_rewards", "advantage_alignment")
ITERATIONS = 80
ENDED = "Complete log(s): x\n"


def watched_run(folder: Path, jobs: int, *, done: int, running: int = 0, failed: int = 0) -> Path:
    """Write a run of so many trainings: the first are done, then some run, then some failed; gives its results."""
    results = folder / "results" / "smoke"
    runs = [
        (game, algorithm, seed) for seed, game, algorithm in product(range(jobs), GAMES, ALGORITHMS)
    ][:jobs]
    log = ["Building DAG of jobs...", "Job stats:", "total 3"]
    entries = []
    for number, (game, algorithm, seed) in enumerate(runs):
        metrics = (
            results / "training" / game / "embedded" / algorithm / f"seed-{seed}" / "metrics.csv"
        )
        what = f"Training {algorithm} in {game}, embedded, seed {seed}"
        entries.append(
            {
                **{"id": number, "rule": "train", "what": what, "after": []},
                **{"seconds": 30, "cores": 1, "gpus": 0},
                **{"log": f"{number}.log", "metrics": str(metrics), "iterations": ITERATIONS},
            }
        )
        if number < done + running + failed:
            log += [_clock(-100), f"Job {number}: {what}"]
            write_metrics(metrics, ITERATIONS if number < done else ITERATIONS // 2, number)
        if number < done:
            log += [_clock(-40), f"Finished jobid: {number} (Rule: train)"]
        elif done + running <= number < done + running + failed:
            log += [
                _clock(-50),
                "Error in rule train:",
                "    message: None",
                f"    jobid: {number}",
            ]
    agenda = {
        **{"log": str(folder / "log"), "begun": time.time() - 100, "cores": 2, "gpus": None},
        **{"host": platform.node(), "process": os.getpid(), "done_before": 4, "jobs": entries},
    }
    (folder / "log").write_text("\n".join(log) + "\n")
    results.mkdir(parents=True, exist_ok=True)
    (results / "agenda.json").write_text(json.dumps(agenda))
    write_transcript(results, "split", "naive-vs-greedy")
    return results


def write_metrics(path: Path, iterations: int, number: int) -> None:
    """Write a run's metrics so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["iteration,payoff,entropy"]
    for i in range(iterations):
        payoff = (1 + number % 3) * (1 - math.exp(-i / 20)) + 0.1 * math.sin(number + i)
        rows.append(f"{i},{payoff:.4g},{1 / (i + 1):.4g}")
    path.write_text("\n".join(rows) + "\n")


def write_transcript(results: Path, game: str, pair: str) -> Path:
    """Write a pair's transcripts."""
    path = results / "transcripts" / game / "embedded" / f"{pair}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(TOLD))
    return path


def _clock(seconds: float) -> str:
    """A line of Snakemake's log with the time, so many seconds from now."""
    return f"[{time.asctime(time.localtime(time.time() + seconds))}]"
