"""What jobs will need from outside, and don't find, is told before the first of them begins."""

from collections.abc import Callable

import pytest
from tests.workflow.conftest import Workflow
from tests.workflow.edits import Raw, api_player, inside, learners, load

VLLM = "vllm.python: no-such-file is no interpreter with vLLM installed"


def learns_from_an_api(config: Raw) -> None:
    """An edit: the opponent of a training is behind a server, whose key isn't there."""
    api_player(key_variable="NOBODY_S_KEY")(config)
    learners({"naive": ["remote"]})(config)


def starts_vllm(*section: str | int) -> Callable[[Raw], None]:
    """An edit: a section's replies are drawn by vLLM, which isn't where it should be."""
    own = {"sampler": "vllm", "vllm": {"python": "no-such-file"}}
    return lambda config: inside(config, *section[:-1]).setdefault(section[-1], {}).update(own)


@pytest.mark.parametrize(
    ("edit", "target", "sentence"),
    [
        (
            learns_from_an_api,
            "exploitability",
            "api_players[remote]: the environment variable NOBODY_S_KEY must hold the server's key, but it isn't set",
        ),
        (starts_vllm("games", 0, "evaluation"), "cross_play", VLLM),
        (starts_vllm("games", 0, "training"), "training", VLLM),
    ],
    ids=["key", "vLLM in evaluation", "vLLM in training"],
)
def test_it_is_told_before_the_first_job(
    workflow: Workflow, edit: Callable[[Raw], None], target: str, sentence: str
) -> None:
    config = load("smoke")
    edit(config)
    workflow.configure(config)
    run = workflow.run("--cores", "1", "--", target, check=False)
    assert run.returncode == 1
    assert sentence in run.stdout
    assert not (workflow.folder / "results" / "smoke" / "base").exists()


def test_what_no_job_needs_is_not_asked_for(workflow: Workflow) -> None:
    config = load("smoke")
    learns_from_an_api(config)
    workflow.configure(config)
    workflow.run("--cores", "1", "--", "base")
    assert (workflow.folder / "results" / "smoke" / "base").exists()
