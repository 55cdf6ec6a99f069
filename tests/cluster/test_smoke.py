"""The smoke scale on the cluster: what its jobs ask for, how many there are, and that it ends as a local run."""

import re

from tests.cluster.runs import ClusterRun, outcome
from tests.workflow.conftest import Workflow

TRAINING = "results/smoke/training"


def test_every_job_goes_through_slurm(smoke: ClusterRun) -> None:
    jobs = smoke.jobs()
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    rules = [job["Rule"] for job in jobs]
    assert {rule: rules.count(rule) for rule in set(rules)} == {
        "rule_build_base_model": 1,
        "rule_audit_prior": 1,
        "rule_clone_player": 2,
        "rule_warm_start_model": 3,
        "rule_train": 18,
        "rule_play_cross_play": 3,
        "rule_report": 1,
    }


def test_jobs_have_what_was_asked_for(smoke: ClusterRun) -> None:
    for job in smoke.jobs():
        asked = re.search(r" -t (\d+) --mem (\d+) ", job["SubmitLine"])
        assert asked is not None
        minutes, memory = map(int, asked.groups())
        assert job["ReqMem"] in (f"{memory}M", f"{memory / 1024:g}G")
        assert job["Timelimit"] == f"{minutes // 60:02d}:{minutes % 60:02d}:00"
        assert f"cpu={2 if job['Rule'] == 'rule_report' else 1}," in job["ReqTRES"]


def test_language_models_get_a_gpu_of_the_type(smoke: ClusterRun) -> None:
    for job in smoke.jobs():
        on_gpu = job["Rule"] not in ("rule_build_base_model", "rule_report")
        assert job["Partition"] == ("gpu" if on_gpu else "main")
        assert ("gres/gpu:pretended=1" in job["ReqTRES"]) == on_gpu


def test_figures_and_tables_are_those_of_a_local_run(
    smoke: ClusterRun, local_smoke: Workflow
) -> None:
    for folder, kinds in (("figures", ("csv", "svg", "png", "pdf")), ("tables", ("csv", "txt"))):
        here, there = (
            {
                path.name: path.read_bytes()
                for kind in kinds
                for path in (run.folder / "results" / "smoke" / folder).glob(f"*.{kind}")
            }
            for run in (smoke, local_smoke)
        )
        assert here.keys() == there.keys()
        assert [name for name in here if here[name] != there[name]] == []


def test_trainings_are_those_of_a_local_run(smoke: ClusterRun, local_smoke: Workflow) -> None:
    runs = sorted((local_smoke.folder / TRAINING).glob("*/*/*/seed-*"))
    assert len(runs) == 18
    for run in runs:
        assert outcome(smoke.folder / run.relative_to(local_smoke.folder)) == outcome(run)


def test_nothing_is_left_to_do(smoke: ClusterRun) -> None:
    assert (
        "Nothing to be done" in smoke.run("--dry-run", "--configfile", "config/smoke.yaml").stdout
    )


def test_what_slurm_says_is_below_results(smoke: ClusterRun) -> None:
    reports = list((smoke.folder / "results" / "slurm").glob("efficiency_report_*.csv"))
    assert len(reports) == 1
    assert "rule_train_wildcards_" in reports[0].read_text()
    logs = smoke.folder / "results" / "slurm" / "logs"
    assert f"(log: {logs}/" in smoke.said
    assert list(smoke.folder.glob("*.out")) == []
