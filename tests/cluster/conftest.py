"""The cluster, and local runs that what it does is compared with."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from tests.cluster.runs import ClusterRun, new_run
from tests.cluster.slurm import Cluster, ClusterError, check_machine
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

SMOKE = ("--configfile", "config/smoke.yaml")


def pytest_sessionstart() -> None:
    """Without a cluster nothing here can run: say so at once."""
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.exit("the SLURM executor is not installed; call make test-slurm", returncode=1)
    try:
        check_machine()
    except ClusterError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def local_smoke(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The smoke scale without a cluster."""
    run = copy_workflow(tmp_path_factory.mktemp("local"))
    run.run("--cores", "2", *SMOKE)
    return run


@pytest.fixture(scope="session")
def smoke(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> ClusterRun:
    """The smoke scale on the cluster."""
    run = new_run(tmp_path_factory.mktemp("smoke"))
    run.said = run.submit(*SMOKE)
    return run


@pytest.fixture(scope="session")
def local_training(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """One training of many iterations without a cluster, undisturbed."""
    run = copy_workflow(tmp_path_factory.mktemp("training"))
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["games"] = [game for game in config["games"] if game["name"] == "prisoners_dilemma"]
    config["games"][0]["training"]["iterations"] = 40
    del config["games"][0]["exploitability"], config["games"][0]["transcripts"]
    config["algorithms"] = config["algorithms"][:1]
    config["seeds"] = [0]
    config["ablations"] |= {"algorithm": "naive", "games": []}
    config["rivals"] |= {"games": []}
    config["prior_sweep"] |= {"games": []}
    config["two_learners"] |= {"games": [], "pairs": []}
    run.configure(config)
    run.run("--cores", "2", "training")
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
