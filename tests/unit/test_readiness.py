"""What jobs need from outside, by their parameters."""

import json

import pytest
from tests.unit.replying_server import player_entry

from social_dilemmas.agents.api.key import check_keys
from social_dilemmas.backends.vllm.interpreter import check_vllm
from social_dilemmas.errors import UserError


def test_the_key_of_whoever_plays_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = {"name": "remote", "kind": "api", "api": json.dumps(player_entry(key_variable="KEY"))}
    for job in ({"opponent": remote}, {"agents": [{"name": "greedy"}, remote]}):
        monkeypatch.delenv("KEY", raising=False)
        with pytest.raises(UserError, match=r"api_players\[remote\]: .* KEY must hold"):
            check_keys([{}, job])
        monkeypatch.setenv("KEY", "0123456789")
        check_keys([{}, job])
    check_keys([{"opponent": None}, {"agents": [{"name": "greedy"}, ("api", 0)]}])


def test_vllm_is_needed_where_a_job_starts_a_server_of_its_own() -> None:
    starts = {"sampler": "vllm", "vllm": {"python": "no-such-file"}}
    with pytest.raises(UserError, match="no-such-file is no interpreter with vLLM"):
        check_vllm([{}, {"settings": starts}])
    shared = {"sampler": "vllm", "vllm": {"base_urls": ["http://127.0.0.1:9"]}}
    for settings in (shared, {"sampler": "trainer", "vllm": starts["vllm"]}, {"steps": 3}):
        check_vllm([{"settings": settings}, {"settings": [{"sampler": "trainer"}]}])
