"""Disturbed matches: what scripted players make of them by hand, and whose messages are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.agents.conditions import Condition
from social_dilemmas.config.settings import DisturbanceSettings
from social_dilemmas.evaluation.cross_play import meet, play_meetings
from social_dilemmas.evaluation.disturbances import play_disturbed, put_in_place
from social_dilemmas.evaluation.sampling import by_policy, load_policy
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match
from social_dilemmas.games.talk import Messages, TalkingMatch
from social_dilemmas.statistics import disturbances
from social_dilemmas.statistics.claims import judge
from social_dilemmas.statistics.criteria import Criterion

ROUNDS, SLIP = 10, 3


def settings(**changes: Any) -> DisturbanceSettings:
    small = {"opponents": [], "matches": 4, "max_new_tokens": 6, "slip_round": SLIP, "tremble": 0.2}
    return DisturbanceSettings(**{**small, **changes})


def played(model: Path, output: Path, game: str, *agents: Agent, **changes: Any) -> pd.DataFrame:
    """The rows of agents with themselves, and of the first with all others."""
    path = output / "matches.parquet"
    pairs = [(agent, agent) for agent in agents] + [(agents[0], agent) for agent in agents[1:]]
    entry = {"name": game, "rounds": ROUNDS}
    play_disturbed(model=model, pairs=pairs, game=entry, settings=settings(**changes), output=path)
    return pd.read_parquet(path)


def scripted(*names: str) -> list[Agent]:
    return [Agent(name, Kind.SCRIPTED) for name in names]


@pytest.fixture(scope="module")
def dilemma(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of trained agents and of scripted players."""
    folder = tmp_path_factory.mktemp("dilemma")
    trained = [
        Agent("naive", seed=seed, adapter=str(saved_adapter(base_model, folder / str(seed), scale)))
        for seed, scale in ((0, 0.5), (1, 1.0))
    ]
    names = ("tit_for_tat", "always_cooperate", "always_defect", "win_stay_lose_shift", "grim")
    played(base_model, folder, "prisoners_dilemma", trained[0], trained[1], *scripted(*names))
    return disturbances.noise({("prisoners_dilemma", "embedded"): folder / "matches.parquet"})


def value(table: pd.DataFrame, **keys: object) -> float:
    for key, wanted in keys.items():
        table = table[table[key] == wanted]
    assert len(table) == 1
    return float(table["mean"].iloc[0])


@pytest.mark.parametrize(
    ("agent", "after", "kept"),
    [
        ("always_cooperate", [3] * 7, 1),
        ("always_defect", [1] * 7, 1),
        ("tit_for_tat", [2.5] * 7, 5 / 6),
        ("win_stay_lose_shift", [1, 3, 3, 3, 3, 3, 3], 38 / 42),
        ("grim", [2.5, 1, 1, 1, 1, 1, 1], 17 / 42),
    ],
)
def test_what_comes_after_one_slip(
    dilemma: pd.DataFrame, agent: str, after: list[float], kept: float
) -> None:
    slip = 1.0 if agent == "always_defect" else 2.5
    before = 1.0 if agent == "always_defect" else 3.0
    own = {"agent": agent, "opponent": "itself", "seed": "all"}
    for index, points in enumerate([before, before, slip, *after], start=1):
        found = value(dilemma, **own, condition="one_slip", quantity=f"payoff_round_{index}")
        assert found == pytest.approx(points)
    one_slip = {**own, "condition": "one_slip"}
    assert value(dilemma, **one_slip, quantity="payoff_before") == before
    assert value(dilemma, **one_slip, quantity="payoff_after") == pytest.approx(sum(after) / 7)
    assert value(dilemma, **one_slip, quantity="welfare_kept") == pytest.approx(kept)
    for quantity, expected in (("payoff", before), ("welfare_kept", 1)):
        assert value(dilemma, **own, condition="none", quantity=quantity) == expected


def test_trembles_hurt_and_every_seed_is_there(dilemma: pd.DataFrame) -> None:
    trembling = dilemma[(dilemma["condition"] == "trembles") & (dilemma["quantity"] == "payoff")]
    grim = value(trembling, agent="grim", opponent="itself")
    assert grim < 3
    assert value(trembling, agent="always_cooperate", opponent="itself") > grim
    own = trembling[(trembling["agent"] == "naive") & (trembling["opponent"] == "itself")]
    means = own.set_index("seed")["mean"]
    assert {*means.index} == {"all", "0", "1"}
    assert means["all"] == pytest.approx((means["0"] + means["1"]) / 2)
    assert {*dilemma.loc[dilemma["agent"] == "grim", "opponent"]} == {"itself"}


def test_until_something_disturbs_them_matches_are_the_same(
    base_model: Path, tmp_path: Path
) -> None:
    """And in a match with swapped seats it is the other's hand that slips."""
    agents = [Agent(WARM_START), *scripted("tit_for_tat")]
    rows = played(base_model, tmp_path, "prisoners_dilemma", *agents)
    points = {
        condition: part.set_index(["agent", "opponent", "match", "seat"])["points"]
        for condition, part in rows.groupby("condition")
    }
    for undisturbed, slipped in zip(points["none"], points["one_slip"], strict=True):
        assert [*undisturbed[: SLIP - 1]] == [*slipped[: SLIP - 1]]
    for match, slipping in ((0, WARM_START), (1, "tit_for_tat")):
        agent = rows[(rows["condition"] == "one_slip") & (rows["match"] == match)]
        agent = agent[(agent["agent"] == slipping) & (agent["agent"] != agent["opponent"])]
        assert agent["points"].iloc[0][SLIP - 1] in (1, 5)  # it defected


def test_what_a_cooperator_gets_with_other_messages(base_model: Path, tmp_path: Path) -> None:
    """50 points if it knows the hands, 27.5 if it always asks for half; of hands at random it is in between."""
    played(base_model, tmp_path, "trust_and_split", *scripted("welfare_maximising"), matches=64)
    table = disturbances.messages({("trust_and_split", "embedded"): tmp_path / "matches.parquet"})
    shown = table[(table["quantity"] == "payoff") & (table["seed"] == "all")]
    means = shown.set_index("condition")["mean"]
    assert means["as_sent"] == 50
    assert means["none"] == 27.5
    assert 20 < means["shuffled"] < 40


def in_place(match: Match) -> Sequence[Messages]:
    assert isinstance(match, TalkingMatch)
    assert match.in_place is not None
    return match.in_place


@pytest.mark.parametrize("rounds", [4, {"least": 1, "most": 6}])
def test_shuffled_messages_were_sent_by_the_same_agent_in_another_match(
    base_model: Path, tmp_path: Path, rounds: Any
) -> None:
    game = build_game("trust_and_split", rounds)
    adapter = str(saved_adapter(base_model, tmp_path / "adapter", 1.0))
    agents = Agent(WARM_START), Agent("naive", seed=2, adapter=adapter)
    pairs = [(agent, agent) for agent in agents]
    sampler_of = by_policy(load_policy(base_model, game, agents), settings())
    reciprocal = Agent("reciprocator", Kind.SCRIPTED)  # whose messages aren't the agents'
    sent = meet(game, [*pairs, *((agent, reciprocal) for agent in agents)], 8)
    meetings = meet(game, pairs, 8)
    play_meetings(game, sent, settings(), sampler_of)
    put_in_place(Condition.SHUFFLED, meetings, sent)
    for match, (_, (agent, _)) in meetings.items():
        for index, read in enumerate(in_place(match)):
            assert read in [
                other.sent(min(index, other.rounds - 1))
                for other, (_, pair) in sent.items()
                if pair == (agent, agent)
                and other.seed != match.seed
                and isinstance(other, TalkingMatch)
            ]
    assert len({in_place(match)[0] for match in meetings}) > 4
    play_meetings(game, meetings, settings(), sampler_of)
    assert all(match.finished and match.invalid == [0, 0] for match in meetings)
    put_in_place(Condition.NO_MESSAGES, silent := meet(game, pairs, 4), sent)
    play_meetings(game, silent, settings(), sampler_of)
    assert {read for match in silent for read in in_place(match)} == {((" ",), (" ",))}


def test_claims_find_what_was_measured_with_other_messages(
    base_model: Path, tmp_path: Path
) -> None:
    played(base_model, tmp_path, "trust_and_split", *scripted("welfare_maximising"))
    table = disturbances.messages({("trust_and_split", "embedded"): tmp_path / "matches.parquet"})
    agent = ("welfare_maximising", "itself", "none", "payoff", "")
    (row,) = judge([table], [Criterion("C6", "any", *agent, "<=", 30, None, "", "")]).to_dict(
        "records"
    )
    assert (row["value"], row["holds"]) == (27.5, True)
