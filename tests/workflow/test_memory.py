"""Jobs on one machine share its memory, and one that is killed says so."""

import re

import pytest
from tests.workflow.conftest import Workflow

KILLED = "import os\nos.kill(os.getpid(), 9)\n"


@pytest.mark.parametrize(("arguments", "most"), [((), None), (("--resources", "mem_mb=777"), 777)])
def test_memory_is_limited_and_a_killed_job_says_so(
    workflow: Workflow, arguments: tuple[str, ...], most: int | None
) -> None:
    (workflow.folder / "workflow/scripts/describe_run.py").write_text(KILLED)
    run = workflow.run("describe_run", "--cores", "1", *arguments, check=False)
    limit = re.search(r'mem_mb=Resource\("mem_mb", (\d+)\)', run.stdout)
    assert limit
    assert int(limit[1]) == most if most else int(limit[1]) > 500
    assert "A job was killed from outside (SIGKILL)" in run.stdout
