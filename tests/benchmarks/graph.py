"""How long Snakemake takes to say what there is to do, at the paper's scale and for a grid of 3,000 jobs."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
SEEDS = 27  # of the grid, in place of three
RUNS = 3


def measure(folder: Path, *configs: Path) -> tuple[int, list[float]]:
    """The number of jobs, and the seconds of every dry run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", *map(str, configs), "--", "everything"]
    seconds, said = [], ""
    for _ in range(RUNS):
        begin = time.perf_counter()
        said = subprocess.run(command, check=True, text=True, capture_output=True).stdout
        seconds.append(time.perf_counter() - begin)
    jobs = re.search(r"^total +(\d+)$", said, re.M)
    assert jobs is not None, said
    return int(jobs[1]), seconds


def main() -> None:
    """Measure and print."""
    paper = REPOSITORY / "config" / "paper.yaml"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = folder / "grid.yaml"
        # Cross-play of so many agents is too large for 80 GB.
        machine = {"gpu": {"memory_gb": 1000}}
        grid.write_text(yaml.safe_dump({"seeds": list(range(SEEDS)), "machine": machine}))
        print("snakemake --dry-run everything")
        for configs in ((paper,), (paper, grid)):
            jobs, seconds = measure(folder, *configs)
            print(f"  {jobs:6,} jobs  {min(seconds):6.1f} s  (the best of {len(seconds)} runs)")


if __name__ == "__main__":
    main()
