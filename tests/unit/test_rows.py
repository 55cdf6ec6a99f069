"""Metrics are read while they are being written."""

from pathlib import Path

import pytest

from social_dilemmas.run.rows import by_iteration, rows_so_far

FIRST = {"iteration": 0.0, "payoff": 1.5}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("iteration,pay", []),
        ("iteration,payoff\n", []),
        ("iteration,payoff\n0,1.5\n", [FIRST]),
        ("iteration,payoff\n0,1.5\n1,2.", [FIRST]),  # the rest of the number is still to come
        ("iteration,payoff\n0,1.5\n1\n2,x\n", [FIRST]),
        ("\0\0\n\0,\0\n", []),
        ("\n\n\n", []),
    ],
)
def test_only_whole_rows_are_read(text: str, rows: list[object], tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert rows_so_far(path) == []
    path.write_text(text)
    assert rows_so_far(path) == rows


def test_damaged_bytes_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"iteration,payoff\n0,1.5\n\xff\xfe,2\n")
    assert rows_so_far(path) == [FIRST]


def test_metrics_of_two_learners_stand_side_by_side() -> None:
    rows = [{"iteration": 3.0, "learner": float(n), "payoff": 10.0 * n} for n in (1, 2)]
    assert by_iteration(rows) == {3: {"learner_1/payoff": 10.0, "learner_2/payoff": 20.0}}


@pytest.mark.parametrize("iteration", [float("nan"), float("inf")])
def test_rows_of_no_iteration_are_left_out(iteration: float) -> None:
    assert by_iteration([{"iteration": iteration, "payoff": 1.0}, FIRST]) == {0: {"payoff": 1.5}}


def test_what_could_not_be_measured_is_left_out() -> None:
    assert by_iteration([{"step": 2.0, "loss": 0.5, "kl": float("nan")}]) == {2: {"loss": 0.5}}
