"""Says in one sentence, before the first job, what jobs need from outside and don't find: a server's key, vLLM."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from social_dilemmas.agents.api.key import read_key
from social_dilemmas.backends.vllm.interpreter import find_python
from social_dilemmas.config.schema.players import ApiPlayer

Parameters = Mapping[str, Any]
"""Those of a job."""


def check_keys(jobs: Iterable[Parameters]) -> None:
    """Raise UserError if a player behind an API takes part, and its key isn't in the environment."""
    players = {agent["api"] for job in jobs for agent in _agents(job) if "api" in agent}
    for player in sorted(players):
        read_key(ApiPlayer.model_validate_json(player))


def check_vllm(jobs: Iterable[Parameters]) -> None:
    """Raise UserError if a job is to start a vLLM server, and vLLM isn't where its settings look for it."""
    settings = [each for job in jobs for each in _settings(job) if each.get("sampler") == "vllm"]
    served = [each["vllm"] for each in settings if not each["vllm"].get("base_urls")]
    for python in {each.get("python") for each in served}:
        find_python(python)


def _agents(job: Parameters) -> Iterator[Mapping[str, Any]]:
    """All that play in a job, as data; see `Agent.plain`."""
    yield from job.get("agents") or []
    if opponent := job.get("opponent"):
        yield opponent


def _settings(job: Parameters) -> Iterator[Mapping[str, Any]]:
    """Those of a job, or of each of its learners."""
    found = job.get("settings") or []
    yield from [found] if isinstance(found, Mapping) else found
