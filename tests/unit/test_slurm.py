"""What is said of jobs that a cluster can't run."""

from pathlib import Path

import pytest

from social_dilemmas.errors import UserError
from social_dilemmas.run import slurm
from social_dilemmas.run.slurm import Request

LISTED = """\
main*|1-00:00:00|64000|16|(null)
main*|1-00:00:00|256000+|32|(null)
gpu|2:00:00|128000|8|gpu:a100:4(S:0-1)
gpu|2:00:00|128000|8|gpu:h100:2,tmpfs:100
any|infinite|1000|2|gpu:1
"""
NODES = slurm.read_nodes(LISTED)


def test_nodes_are_read() -> None:
    first, second, a100, h100, without_model = NODES
    assert (first.partition, first.is_default, first.minutes) == ("main", True, 1440)
    assert (second.memory, second.cpus, second.gpus) == (256000, 32, {})
    assert (a100.is_default, a100.gpus, h100.gpus) == (False, {"a100": 4}, {"h100": 2})
    assert without_model.gpus == {"": 1}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("30:00", 30), ("2:00:00", 120), ("1-12:00:00", 2160), ("infinite", float("inf"))],
)
def test_time_limits(limit: str, expected: float) -> None:
    assert slurm.minutes(limit) == expected


@pytest.mark.parametrize(
    "request_",
    [
        Request("train"),
        Request("train", "main", 1440, 256000, 32),
        Request("train", "gpu", 120, 128000, 8, gpus=4),
        Request("train", "gpu", gpus=2, gpu_model="h100"),
        Request("train", "any", minutes=100_000, gpus=1),
    ],
)
def test_what_a_node_can_run(request_: Request) -> None:
    slurm.check_requests([request_], NODES)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request("train", "gpus"), "no partition 'gpus'.*rule train asks for.*any, gpu, main"),
        (Request("train", minutes=1441), "1441 minutes, but partition main allows 1440"),
        (Request("train", memory=300_000), "300000 MB of memory, but no node of partition main"),
        (Request("train", cpus=33), "33 CPUs, but no node of partition main has more than 32"),
        (Request("train", gpus=1), "1 GPU of type any, but partition main has none"),
        (Request("train", "gpu", gpus=3, gpu_model="h100"), "partition gpu has only a100, h100"),
        (Request("train", "gpu", gpus=5), "5 GPU of type any, but partition gpu has only a100"),
        (Request("train", "any", gpus=2), "2 GPU of type any, but partition any has too few"),
        (Request("train", "gpu", memory=128_001, gpus=1), "128001 MB.*more than 128000"),
    ],
)
def test_what_no_node_can_run(request_: Request, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        slurm.check_requests([Request("train"), request_], NODES)


def test_a_cluster_without_a_default_partition() -> None:
    with pytest.raises(UserError, match="no default partition"):
        slurm.check_requests([Request("train")], NODES[2:])


def test_requests_are_those_of_the_executor() -> None:
    resources = {"runtime": 60, "mem_mb": 3000, "slurm_partition": "gpu", "gpu_model": "a100"}
    expected = Request("train", "gpu", 60, 3000, cpus=2, gpus=1, gpu_model="a100")
    assert slurm.request_of("train", 2, resources) == expected
    assert slurm.request_of("train", 1, {"mem_mb": "<TBD>", "gpu": 2}) == Request("train", gpus=2)
    assert slurm.request_of("train", 1, {"gpu": 0, "gpu_model": "a100"}).gpus == 0


def test_arrays() -> None:
    alike = [Request("train", memory=1), Request("train", memory=1), Request("claims", memory=2)]
    slurm.check_arrays(None, alike, jobs=1)
    slurm.check_arrays("train, claims", alike, jobs=2)
    slurm.check_arrays("all", alike, jobs=3)
    with pytest.raises(UserError, match=r"there are 2 jobs, .* set jobs .* to 2 or more"):
        slurm.check_arrays("train", alike, jobs=1)
    with pytest.raises(UserError, match="jobs of train ask for different resources"):
        slurm.check_arrays("train", [*alike, Request("train", memory=3)], jobs=10)


def test_a_group_takes_the_time_of_all_its_jobs() -> None:
    slurm.check_times([Request("train", minutes=60), Request("claims")], longest=60)
    with pytest.raises(UserError, match=r"group report .* 66 minutes: set longest .* is 60, to 66"):
        slurm.check_times([Request("report", minutes=66)], longest=60)


def test_earlier_jobs_from_the_same_folder(tmp_path: Path) -> None:
    others = f"1|/elsewhere|rule_train\n2|{tmp_path}|a job of mine\n"
    slurm.check_earlier_jobs(others, tmp_path)
    own = f"3|{tmp_path}|rule_train_wildcards_a|b\n4|{tmp_path}|group_report\n"
    with pytest.raises(UserError, match=r"jobs that an earlier call .* `scancel 3 4`"):
        slurm.check_earlier_jobs(others + own, tmp_path)


def test_a_command_that_is_not_there_or_fails() -> None:
    with pytest.raises(UserError, match="there is no nonsense-info on this machine"):
        slurm.ask(["nonsense-info"])
    with pytest.raises(UserError, match=r"SLURM doesn't answer \(ls: .*nowhere"):
        slurm.ask(["ls", "/nowhere"])
