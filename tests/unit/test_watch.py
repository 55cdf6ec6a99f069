"""What the live page reads of a run, in whatever state its files are."""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.unit.watched_run import ENDED, ITERATIONS, watched_run, write_metrics, write_transcript

from social_dilemmas.errors import UserError
from social_dilemmas.report.watch import jobs as jobs_module
from social_dilemmas.report.watch import server as server_module
from social_dilemmas.report.watch.jobs import progress, states_in
from social_dilemmas.report.watch.runs import POINTS, Curves, transcripts
from social_dilemmas.report.watch.server import server
from social_dilemmas.run.agenda import iterations

LOG = """\
[Thu Nov 26 10:00:00 2026]
Job 3: Base model embedded
    Job 4: A job of a group
[Thu Nov 26 10:00:10 2026]
Finished jobid: 3 (Rule: build_base_model)
[Thu Nov 26 10:00:20 2026]
Error in rule train:
    message: None
    jobid: 4
Trying to restart job 4.
[Thu Nov 26 10:00:30 2026]
Job 4: A job of a group
"""


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"iterations": 5, "primer": None}, 5),
        ({"steps": 3, "primer": None}, 3),
        ({"steps": 3, "primer": {"steps": 4}}, 7),
        ({"steps": 0, "primer": {"steps": 4}}, 0),  # no warm start
        ({}, None),
    ],
)
def test_a_primer_is_a_part_of_what_is_to_do(settings: dict[str, Any], found: int | None) -> None:
    assert iterations(settings) == found


def test_states_of_jobs_in_a_log() -> None:
    before, after = states_in(LOG.split("Trying")[0]), states_in(LOG)
    assert {number: state.name for number, state in before.items()} == {3: "done", 4: "failed"}
    assert {number: state.name for number, state in after.items()} == {3: "done", 4: "running"}
    assert before[3].ended - before[3].begun == 10
    assert after[4].begun - before[4].begun == 30


def test_a_run_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    shown = progress(watched_run(tmp_path, 10, done=4, running=2, failed=1))
    assert shown is not None
    numbers = {name: len(shown[name]) for name in ("done", "running", "failed", "to_come")}
    assert numbers == {"done": 4, "running": 2, "failed": 1, "to_come": 3}
    assert (shown["run"], shown["done_before"]) == ("at work", 4)
    assert [job["share"] for job in shown["running"]] == [0.5, 0.5]
    assert shown["running"][0]["words"].startswith(f"{ITERATIONS // 2} of {ITERATIONS} iterations")
    assert shown["failed"][0]["words"] == "see 6.log"
    # The four took 60 s each where 30 s were estimated, and two took 100 s for a half: 440 s for 150 s. Half of two and
    # three whole ones are left, on two cores.
    assert shown["left"] == "2 min 56 s"  # 440 / 150 * 4 * 30 s / 2


def test_jobs_that_wait_for_one_another(tmp_path: Path) -> None:
    agenda = watched_run(tmp_path, 4, done=0) / "agenda.json"
    told = json.loads(agenda.read_text())
    told["jobs"][3]["after"], told["jobs"][2]["after"] = [2], [1]
    agenda.write_text(json.dumps(told))
    shown = progress(agenda.parent)
    assert shown is not None
    assert (
        shown["left"] == "1 min 30 s"
    )  # three of 30 s in a row; on two cores, four would take a minute


def test_a_run_that_ended(tmp_path: Path) -> None:
    watched_run(tmp_path, 3, done=3)
    log = tmp_path / "log"
    whole = log.read_text()
    for said, run in ((ENDED, "finished"), (f"WorkflowError:\n{ENDED}", "stopped")):
        log.write_text(whole + said)
        shown = progress(tmp_path / "results" / "smoke")
        assert shown is not None
        assert (shown["run"], shown["left"]) == (run, "")


def test_a_run_that_was_killed_has_no_running_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: int) -> None:
        raise ProcessLookupError

    results = watched_run(tmp_path, 3, done=1, running=1)
    monkeypatch.setattr(jobs_module.os, "kill", gone)
    shown = progress(results)
    assert shown is not None
    assert (shown["run"], len(shown["running"]), len(shown["to_come"])) == ("stopped", 0, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"log": 1}', '{"log": "nowhere"}', "\0"])
def test_without_an_agenda_there_is_no_run(text: str, tmp_path: Path) -> None:
    assert progress(tmp_path) is None
    (tmp_path / "agenda.json").write_text(text)
    assert progress(tmp_path) is None


def test_curves_of_every_stage(tmp_path: Path) -> None:
    folders = {
        "training/split/m/naive/seed-0": ("Self-play", "naive"),
        "exploitability/split/m/naive/against-greedy/seed-1": (
            "Against opponents that don't learn",
            "Naive RL against Greedy",
        ),
        "ablations/split/m/no_buffer/seed-2": ("Ablations", "No buffer"),
        "rivals/split/m/pool/seed-3": ("Rivals", "Pool"),
        "prior_sweep/split/m/share-0.3/naive/seed-4": ("Other priors", "Naive RL, share 0.3"),
    }
    for folder in folders:
        write_metrics(tmp_path / folder / "metrics.csv", 3, 0)
    write_metrics(tmp_path / "warm_start/split/m/metrics.csv", 3, 0)
    shown = Curves(tmp_path).shown("payoff")
    assert shown["metrics"] == ["payoff", "entropy"]
    found = {
        (panel["stage"], curve["name"], curve["seed"])
        for panel in shown["panels"]
        for curve in panel["curves"]
    }
    assert found == {(*names, str(seed)) for seed, names in enumerate(folders.values())}
    assert {panel["game"] for panel in shown["panels"]} == {"Split"}


def test_two_learners_have_a_curve_each(tmp_path: Path) -> None:
    path = tmp_path / "two_learners/split/m/naive-vs-advantage_alignment/seed-0/metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("iteration,learner,payoff\n0,1,5\n0,2,7\n1,1,6\n")
    (panel,) = Curves(tmp_path).shown("payoff")["panels"]
    assert [curve["points"] for curve in panel["curves"]] == [[[0, 5], [1, 6]], [[0, 7]]]


def test_curves_follow_their_files(tmp_path: Path) -> None:
    path = tmp_path / "training/an_older_game/m/naive/seed-0/metrics.csv"
    curves = Curves(tmp_path)
    assert curves.shown("payoff") == {"metrics": [], "panels": []}
    path.parent.mkdir(parents=True)
    path.write_text("iteration,payoff\n0,1\n1,")
    (panel,) = curves.shown("payoff")["panels"]
    assert panel["curves"][0]["points"] == [[0, 1]]
    with path.open("a") as file:
        file.write("2\n")
    (panel,) = curves.shown("payoff")["panels"]
    assert (panel["game"], panel["curves"][0]["points"]) == ("an_older_game", [[0, 1], [1, 2]])


def test_long_curves_are_thinned_out_to_their_last_point(tmp_path: Path) -> None:
    write_metrics(tmp_path / "training/split/m/naive/seed-0/metrics.csv", 1000, 0)
    (panel,) = Curves(tmp_path).shown("payoff")["panels"]
    numbers = [number for number, _ in panel["curves"][0]["points"]]
    assert POINTS // 2 < len(numbers) <= POINTS + 1
    assert (numbers[0], numbers[-1]) == (0, 999)


def test_transcripts_newest_first_and_damaged_ones_left_out(tmp_path: Path) -> None:
    for age, pair in enumerate(("new", "old")):
        path = write_transcript(tmp_path, "split", pair)
        os.utime(path, (1000 - age, 1000 - age))
    (path.parent / "damaged.json").write_text(path.read_text()[:200])
    (path.parent / "other.json").write_text('{"agents": []}')
    listed = transcripts(tmp_path)
    assert [each["link"] for each in listed] == [
        f"/transcripts/split/embedded/{p}" for p in ("new", "old")
    ]
    assert listed[0]["rounds"][1] == [["<message>I have scissors</message>"], ["<5 coins>"]]


@contextmanager
def served(results: Path, port: int) -> Iterator[str]:
    """The address of a server."""
    with server(results, port) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_the_server_answers_and_writes_nothing(tmp_path: Path) -> None:
    results = watched_run(tmp_path, 3, done=2, running=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with served(results, 8750) as address:
        for path, word in (
            ("/", "smoke at work"),
            ("/transcripts/split/embedded/naive-vs-greedy", "Naive RL"),
        ):
            assert word in urllib.request.urlopen(address + path).read().decode()
        state = json.load(urllib.request.urlopen(f"{address}/state?metric=entropy"))
        assert state["panels"][0]["curves"][0]["points"][0] == [0, 1.0]
        for path in ("/log", "/transcripts/split/embedded/..%2f..%2f..%2fagenda"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address + path)
        foreign = urllib.request.Request(address, headers={"Host": "elsewhere.example:8750"})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(foreign)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with server(tmp_path, port) as serving:
            assert serving.server_port > port
        monkeypatch.setattr(server_module, "PORTS", 1)
        with pytest.raises(UserError, match=f"the ports from {port} to {port} are all taken"):
            server(tmp_path, port)
