"""The key of a server: where it is from, and that it is told to nobody else."""

import json
import logging
from pathlib import Path

import pytest
from tests.unit.api.calls import KEY, VARIABLE, Make, complaint, dilemmas, meet
from tests.unit.replying_server import fails, says, sends

from social_dilemmas.errors import UserError


def test_the_key_appears_nowhere(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    player = make()
    escaped = f'{{"choices": [{{"message": {{"content": "\\u0073{KEY[1:]}"}}}}]}}'
    make.server.does(says(f"<A> {KEY}"), sends(escaped), says("<A>"))
    meet(player, dilemmas())
    for trouble in (
        *(fails(401, f"wrong key {KEY}"), fails(500, KEY)),
        *(sends(f"not JSON {KEY}"), sends(json.dumps({"choices": [KEY]}))),
    ):
        make.server.does(trouble)
        assert "[key]" in complaint(player, dilemmas(first_seed=1))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert make.cache in files
    for path in files:
        assert KEY.encode() not in path.read_bytes()
    shown = capfd.readouterr()
    assert KEY not in caplog.text + shown.out + shown.err + repr(player) + str(player.usage_record)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, f"the environment variable {VARIABLE} must hold"),
        ("", "but it isn't set"),
        ("  ", "but it isn't set"),
        (f"{KEY}\n{KEY}", "characters that no key can have"),
    ],
)
def test_without_its_key_a_player_can_not_be_made(
    make: Make, value: str | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UserError, match=problem) as caught:
        make()
    assert KEY not in str(caught.value)
    assert not make.cache.exists()


def test_a_server_without_a_key_is_sent_none(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv(VARIABLE)
    meet(make(key_variable=None), dilemmas())
    assert make.server.keys == {"Bearer none"}
    make.server.does(fails(401))
    sentence = complaint(make(key_variable=None), dilemmas(first_seed=1))
    assert "doesn't accept requests without a key" in sentence
