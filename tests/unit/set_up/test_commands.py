"""What make calls, and what it says of a run that was killed."""

import pytest
from tests.unit.set_up.equipment import Folder


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["results"], ".venv/bin/snakemake --cores all"),
        (
            ["results", "SCALE=smoke"],
            ".venv/bin/snakemake --cores all --configfile config/smoke.yaml",
        ),
        (
            ["play", "GAME=split", "AGAINST=naive/seed-0"],
            "PYTHONPATH=workflow/scripts .venv/bin/python tools/play.py --scale 'laptop' \\",
        ),
        (["play", "GAME=split", "AGAINST=greedy"], "\t--game 'split' --against 'greedy'"),
        (["serve", "GAME=split", "MODEL=mine"], "\t--game 'split' --model 'mine' "),
        (["everything"], ".venv/bin/snakemake --cores all -- everything"),
        (
            ["report"],
            "for kind in zip html; do .venv/bin/snakemake --cores all "
            "--report results/laptop/report.$kind \\",
        ),
    ],
)
def test_commands(equipped: Folder, arguments: list[str], command: str) -> None:
    equipped.set_up()
    lines = equipped.make("--dry-run", *arguments).stdout.splitlines()
    assert command in [line.split(" || {")[0] for line in lines]


@pytest.mark.parametrize("target", ["results", "everything"])
def test_a_run_that_was_killed_is_told_from_one_that_failed(equipped: Folder, target: str) -> None:
    equipped.set_up()
    snakemake = equipped.path / ".venv" / "bin" / "snakemake"
    snakemake.write_text('#!/bin/sh\necho "$*" >>calls\nexit 7\n')
    snakemake.chmod(0o755)
    assert "unlock" not in equipped.make(target).stderr
    lock = equipped.path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    locked = equipped.make(target)
    assert locked.returncode != 0
    assert "if none is at work, call: make unlock\n" in locked.stderr
    equipped.make("unlock")
    assert (equipped.path / "calls").read_text().splitlines()[-1] == "--cores all --unlock"


@pytest.mark.parametrize("scale", ["smok", "", "laptop smoke"])
def test_unknown_scale(equipped: Folder, scale: str) -> None:
    result = equipped.make("results", f"SCALE={scale}")
    assert result.returncode != 0
    assert f"SCALE={scale} is unknown; choose one of: laptop smoke" in result.stderr
