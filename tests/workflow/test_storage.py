"""Results in a storage: a job finds there what is declared to be its input, and nothing else."""

import shutil
from pathlib import Path

import yaml
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

PLUGIN = Path(__file__).with_name("storage_beside.py")
AGENT = "prisoners_dilemma/embedded"


def run_in(folder: Path) -> Workflow:
    """The smoke scale with one game, one algorithm and one seed, and the storage's plugin beside it."""
    workflow = copy_workflow(folder)
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["seeds"], config["further_seeds"] = [0], []
    config["games"], config["algorithms"] = config["games"][:1], config["algorithms"][:1]
    config["games"][0] |= {"exploitability": {"learners": {"naive": ["naive"]}}}
    for section in ("ablations", "rivals", "two_learners", "prior_sweep"):
        del config[section]
    workflow.configure(config)
    plugin = folder / "snakemake_storage_plugin_beside"
    plugin.mkdir()
    shutil.copy(PLUGIN, plugin / "__init__.py")
    return workflow


def test_jobs_of_all_kinds_find_their_inputs_in_a_storage(tmp_path: Path) -> None:
    """Adapters as players, opponents and clones; claims from a file of the project; cards, pages, transcripts."""
    workflow = run_in(tmp_path)
    storage = ("--default-storage-provider", "beside", "--default-storage-prefix", "kept")
    made = [
        f"exploitability/{AGENT}/matches.parquet",
        f"training/{AGENT}/naive/seed-0/README.md",
        "transcripts/index.html",
        "tables/claims.csv",
        "run.html",
    ]
    targets = [f"results/smoke/{path}" for path in made]
    workflow.run("--cores", "2", *storage, "--", *targets)
    assert all((tmp_path / "kept" / target).exists() for target in targets)
    here = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    # What `make watch` reads stays on this machine.
    assert [path.name for path in here] == ["agenda.json"]
    assert "Nothing to be done" in workflow.run("-n", *storage, "--", *targets).stdout
