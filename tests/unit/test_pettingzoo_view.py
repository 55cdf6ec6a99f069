"""The PettingZoo view of every game: the library's own tests, and that it plays the same game."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import SEATS
from social_dilemmas.pettingzoo_view import AGENTS, SocialDilemma, parallel_env


def replies(env: SocialDilemma, player: str = "random") -> dict[str, str]:
    """What a scripted player says for every player that is asked."""
    assert env.match is not None
    said = scripted_player(env.game.kind, player)
    return {AGENTS[turn.seat]: said.reply([turn])[0] for turn in env.match.turns()}


def episode(env: SocialDilemma, seed: int | None) -> Iterator[tuple[Any, ...]]:
    """All that is seen in an episode of random replies."""
    yield env.reset(seed=seed)
    while env.agents:
        yield env.step(replies(env))


@pytest.mark.parametrize("name", game_names())
def test_pettingzoo_s_own_tests(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(name), num_cycles=100)
        parallel_seed_test(lambda: parallel_env(name), num_cycles=100)
    assert "Passed Parallel API test" in capsys.readouterr().out


@pytest.mark.parametrize("name", game_names())
def test_observations_and_replies_are_in_their_spaces(name: str) -> None:
    env = parallel_env(name)
    for player in scripted_player_names(name):
        env.reset(seed=1)
        while env.agents:
            actions = replies(env, player)
            assert all(env.action_space(agent).contains(actions[agent]) for agent in actions)
            observations, _, _, _, infos = env.step(actions)
            for agent in AGENTS:
                assert env.observation_space(agent).contains(observations[agent])
                assert not infos[agent]["forfeit"]


@pytest.mark.parametrize("name", game_names())
def test_it_is_the_same_game(name: str) -> None:
    """Prompts as observations, points of every round as rewards, to the end of the match."""
    env = parallel_env(name)
    observations, infos = env.reset(seed=3)
    assert env.match is not None
    match = build_game(name, 10).start(env.match.seed)
    total = dict.fromkeys(AGENTS, 0.0)
    while not match.finished:
        prompts = {AGENTS[turn.seat]: turn.prompt for turn in match.turns()}
        assert {agent: text for agent, text in observations.items() if text} == prompts
        assert {agent for agent in AGENTS if infos[agent]["asked"]} == set(prompts)
        actions = replies(env)
        match.take({AGENTS.index(agent): reply for agent, reply in actions.items()})
        observations, rewards, terminations, truncations, infos = env.step(actions)
        assert terminations == dict.fromkeys(AGENTS, match.finished)
        assert truncations == dict.fromkeys(AGENTS, False)
        total = {agent: total[agent] + rewards[agent] for agent in AGENTS}
    assert env.agents == []
    assert total == pytest.approx({AGENTS[seat]: sum(match.rewards(seat)) for seat in SEATS})


def test_seeds() -> None:
    env = parallel_env("trust_and_split")
    first, again = list(episode(env, 5)), list(episode(env, 5))
    assert first == again
    following = list(episode(env, None))
    assert following != first
    assert list(episode(env, 6)) != first
    assert list(episode(env, 5)) == first
    assert list(episode(env, None)) == following


def test_invalid_replies_are_forfeits() -> None:
    env = parallel_env({"name": "prisoners_dilemma", "rounds": 3, "rules": {"reward": 4}})
    env.reset(seed=0)
    _, rewards, _, _, infos = env.step({"player_0": "cooperate!", "player_1": "<B>"})
    assert rewards == {"player_0": 0, "player_1": 5}
    assert [infos[agent]["forfeit"] for agent in AGENTS] == [True, False]
    _, _, _, _, infos = env.step({"player_1": "<A>"})
    assert infos["player_0"]["forfeit"]
    _, rewards, terminations, _, infos = env.step({"player_0": "<A>", "player_1": "<A>"})
    assert rewards == {"player_0": 4, "player_1": 4}
    assert not infos["player_0"]["forfeit"]
    assert all(terminations.values())


def test_only_who_is_asked_is_heard() -> None:
    env = parallel_env("trust_and_split")
    _, infos = env.reset(seed=0)
    (speaker,) = (agent for agent in AGENTS if infos[agent]["asked"])
    (listener,) = {*AGENTS} - {speaker}
    assert infos[speaker]["step"] == "message"
    message = "<message>I hold rock</message>"
    texts = {speaker: message, listener: "<message>too early</message>"}
    observations, _, _, _, infos = env.step(texts)
    assert "I hold rock" in observations[listener]
    assert observations[speaker] == ""
    observations, _, _, _, infos = env.step({listener: "<message>caf\u00e9</message>"})
    assert infos[listener]["forfeit"]  # a character outside the action space
    assert "caf" not in observations[speaker]


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MANY = {own: {other: [1, 2] for other in LETTERS} for own in LETTERS}


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "split", "rounds": 2, "rules": {"kinds": ["h\u00fcte", "\u672c"]}},
        {"name": "matrix_game", "rounds": 2, "rules": {"payoffs": MANY}},
    ],
    ids=["names outside ASCII", "many actions"],
)
def test_valid_replies_of_any_rules_are_in_their_spaces(entry: dict[str, Any]) -> None:
    env = parallel_env(entry)
    observations, _ = env.reset(seed=0)
    while env.agents:
        actions = replies(env)
        for agent in AGENTS:
            assert env.observation_space(agent).contains(observations[agent])
            assert env.action_space(agent).contains(actions[agent])
        observations, _, _, _, infos = env.step(actions)
        assert not any(infos[agent]["forfeit"] for agent in AGENTS)


@pytest.mark.parametrize("action", [None, 3, b"<A>", ["<A>"]])
def test_an_action_that_is_no_text_is_an_error_in_one_sentence(action: Any) -> None:
    env = parallel_env("prisoners_dilemma")
    env.reset(seed=0)
    with pytest.raises(TypeError, match="the action of player_1 must be a text, but is"):
        env.step({"player_0": "<A>", "player_1": action})


def test_mistakes() -> None:
    with pytest.raises(UserError, match="unknown game 'chess'"):
        parallel_env("chess")
    env = parallel_env("split")
    with pytest.raises(RuntimeError, match="reset"):
        env.step({})
