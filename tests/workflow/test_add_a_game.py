"""The game that docs/adding.md adds: its own code, in a copy of the workflow, from nothing to an adapter."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

SECTION = (
    (REPOSITORY / "docs" / "adding.md").read_text().split("\n## A game\n")[1].split("\n## ")[0]
)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", SECTION, re.M | re.S)
FILES = [code for language, code in BLOCKS if language == "python"]
(ENTRY,) = (yaml.safe_load(text)[0] for language, text in BLOCKS if language == "yaml")


RUN = "results/smoke/training/public_good/embedded/advantage_alignment/seed-0"


def add_game(run: Workflow, *files: str) -> None:
    """Put files of the page where their first lines say, and the entry into the smoke scale."""
    for code in files:
        path, _, text = code.removeprefix("# ").partition("\n")
        assert path.startswith("workflow/"), path
        (run.folder / path).write_text(text)
    config = yaml.safe_load((run.folder / "config" / "smoke.yaml").read_text())
    config["games"].append(ENTRY)
    run.configure(config)


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """One training in the new game, with players and a random horizon of its own."""
    run = copy_workflow(tmp_path_factory.mktemp("added"))
    add_game(run, *FILES)
    config = run.config()
    entry = config["games"][-1]
    entry["warm_start"] |= {"population": {"random": 1, "reciprocator": 1}, "steps": 3}
    entry["training"] |= {"iterations": 2, "matches": 4, "group_size": 2}
    entry["rounds"] = {"least": 2, "most": 4}
    run.configure(config)
    run.said = run.run("--cores", "1", f"{RUN}/adapter").stdout
    return run


def test_the_page_holds_a_game_and_players_for_it() -> None:
    assert [code.split("\n")[0].rsplit("/", 2)[1:] for code in FILES] == [
        ["games", "public_good.py"],
        ["scripted", "public_good.py"],
    ]


def test_one_file_and_one_entry_are_enough(workflow: Workflow) -> None:
    before = workflow.planned("--configfile", "config/smoke.yaml")
    add_game(workflow, FILES[0])
    after = workflow.planned()
    for rule, more in (("warm_start_model", 1), ("train", 3 * 2), ("play_cross_play", 1)):
        assert after[rule] == before[rule] + more
    said = workflow.run("--dry-run").stdout
    assert "Training advantage_alignment in public_good, embedded, seed 1" in said


def test_it_is_trained(added: Workflow) -> None:
    run = added.folder / RUN
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    metrics = (run / "metrics.csv").read_text().splitlines()
    assert len(metrics) == 3
    assert {"gift", "gift_at_start", "welfare_share"} <= set(metrics[0].split(","))
    tokenizer = added.folder / "results/smoke/base/embedded/tokenizer.json"
    assert "The other player gave " in tokenizer.read_text()


def test_it_passes_the_contract_of_all_games(added: Workflow) -> None:
    """The tests of every game, run on the copy's library."""
    (added.folder / "tests").mkdir(exist_ok=True)
    contract = Path("tests", "unit", "test_games.py")
    copy = added.folder / "tests" / "test_games.py"
    copy.write_text((REPOSITORY / contract).read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy)]
    options = ["-o", f"pythonpath={added.folder / 'workflow' / 'scripts'}", "-k", "public_good"]
    done = subprocess.run(
        [*command, *options],
        cwd=added.folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
