"""What a script leaves in its log and on the terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.run import progress
from social_dilemmas.run.progress import Progress, duration

SCRIPT = """
import sys
from types import SimpleNamespace
sys.path.insert(0, {library!r})
snakemake = SimpleNamespace(log=["job.log"], threads=1, config={{}})
if {resources!r}:
    snakemake.rule, snakemake.wildcards = "train", ["split", "tiny"]
    snakemake.resources = SimpleNamespace(**{resources!r})
from social_dilemmas.errors import UserError
from social_dilemmas.run.job import job
from social_dilemmas.run.progress import Progress
with job() as snakemake:
    import os
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.system("echo from another program")
{body}
"""


def run(folder: Path, body: str, **resources: int) -> tuple[int, str, str]:
    """Exit code, terminal and log of a script."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    library = str(REPOSITORY / "workflow" / "scripts")
    text = SCRIPT.format(library=library, body=indented, resources=resources)
    process = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, text=True, capture_output=True, check=False
    )
    return process.returncode, process.stdout + process.stderr, (folder / "job.log").read_text()


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    code, terminal, log = run(tmp_path, "")
    assert code == 0
    assert terminal == ""
    for line in ("to stdout", "to stderr", "from another program"):
        assert line in log


def test_the_log_names_the_environment(tmp_path: Path) -> None:
    _, _, log = run(tmp_path, "")
    version = ".".join(map(str, sys.version_info[:3]))
    assert log.splitlines()[0] == f"Python {version} in {sys.prefix}"


def test_a_user_s_mistake_is_one_sentence(tmp_path: Path) -> None:
    code, terminal, log = run(tmp_path, "raise UserError('the model is green')")
    assert code == 1
    assert terminal == "the model is green\n"
    assert "the model is green" in log
    assert "Traceback" not in log


def test_an_estimate_is_announced_first(tmp_path: Path) -> None:
    estimate = {"estimated_mb": 640, "estimated_seconds": 80, "estimated_gpu_mb": 0}
    code, terminal, log = run(tmp_path, "", **estimate)
    assert code == 0
    assert terminal == "train, split, tiny: estimated: 0.6 GB, 1 min 20 s\n"
    assert log.index("estimated: 0.6 GB") < log.index("to stdout")
    assert run(tmp_path, "", **{**estimate, "estimated_seconds": 3})[1] == ""


@pytest.mark.parametrize(("there", "built"), [(0, None), (0, "13.0"), (24, "13.0")])
def test_a_job_that_needs_a_larger_gpu_does_not_begin(
    tmp_path: Path, there: int, built: str | None
) -> None:
    stand_in = f"""
from types import SimpleNamespace
facts = SimpleNamespace(name="GTX", total_memory={there}e9)
cuda = SimpleNamespace(is_available=lambda: {there} > 0, get_device_properties=lambda n: facts)
version = SimpleNamespace(cuda={built!r}, hip=None)
"""
    (tmp_path / "torch.py").write_text(stand_in)  # the folder is the first on the path
    estimate = {"estimated_mb": 640, "estimated_seconds": 80, "estimated_gpu_mb": 40_000}
    code, terminal, log = run(tmp_path, "", **estimate)
    assert code == 1
    assert "to stdout" not in log
    if there:
        said = "this job needs 40.0 GB of GPU memory by its estimate, but GTX has 24.0 GB; lower"
    else:
        said = "this job needs a GPU with 40.0 GB by its estimate, but sees none; "
        said += "run it where" if built else "this PyTorch was built for CPUs"
    assert terminal.startswith(said)
    assert terminal.count("\n") == 1
    estimate["estimated_gpu_mb"] = 20_000
    if there:
        assert run(tmp_path, "", **estimate)[1].endswith("0.6 GB, 20.0 GB on the GPU, 1 min 20 s\n")


def test_any_other_failure_leaves_its_trace_in_the_log(tmp_path: Path) -> None:
    code, terminal, log = run(tmp_path, "1 / 0")
    assert code == 1
    assert terminal == "ZeroDivisionError: division by zero (see job.log)\n"
    assert "Traceback" in log


def test_progress_goes_to_both(tmp_path: Path) -> None:
    _, terminal, log = run(tmp_path, "with Progress(3, 'counting') as p:\n    p.advance()")
    assert terminal == "counting: done in 0 s\n"
    assert "counting: done in 0 s" in log


def test_threads_are_limited(tmp_path: Path) -> None:
    body = "import torch\nprint('threads', torch.get_num_threads())"
    assert "threads 1" in run(tmp_path, body)[2]


def test_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    caplog.set_level("INFO", "social_dilemmas")
    with Progress(100, "split", done=50) as shown:
        for _ in range(50):
            now[0] += 1
            shown.advance("payoff 80")
    assert caplog.messages == [
        "split: 53 of 100 (53%), 47 s left, payoff 80",
        "split: 63 of 100 (63%), 37 s left, payoff 80",
        "split: 73 of 100 (73%), 27 s left, payoff 80",
        "split: 83 of 100 (83%), 17 s left, payoff 80",
        "split: 93 of 100 (93%), 7 s left, payoff 80",
        "split: done in 50 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (80, "1 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
