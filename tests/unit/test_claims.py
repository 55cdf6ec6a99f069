"""Claims on hand-made tables where some numbers hold and others don't; and what a file of claims may say."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.workflow.edits import SCALES

from social_dilemmas.agents.agent import is_learner
from social_dilemmas.config import contents
from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.errors import UserError
from social_dilemmas.games import declare, game_names
from social_dilemmas.report.claims_text import format_claims
from social_dilemmas.statistics.claims import COLUMNS, Measure, claims, judge
from social_dilemmas.statistics.criteria import FIELDS, Criterion, read_criteria, warn_of_misspelt

SHIPPED = REPOSITORY / "config" / "claims.csv"
ALIGNMENT = "advantage_alignment"
WELFARE, OTHERS = "normalised_welfare", "normalised_payoff_opponent"
Row = tuple[str, str, str, str, str, Sequence[float]]


def table(rows: Sequence[Row], model: str = "embedded") -> pd.DataFrame:
    """Each row holds game, agent, opponent, seed relation, quantity, and the seeds' values; intervals are 0.2 wide."""
    names = ["game", "agent", "opponent", "seed_relation", "quantity", "by_seed"]
    frame = pd.DataFrame(rows, columns=names)
    mean = frame["by_seed"].map(np.nanmean)
    frame = frame.assign(model=model, mean=mean, low=mean - 0.1, high=mean + 0.1)
    return frame.assign(by_seed=[" ".join(map(str, values)) for values in frame["by_seed"]])


def criterion(**changes: object) -> Criterion:
    """Naive play in Split ends at no more than 0.2 in at least nine of ten seeds."""
    values = dict.fromkeys(FIELDS, "")
    values |= {"claim": "C1", "game": "split", "agent": "naive", "opponent": "itself"}
    values |= {"quantity": WELFARE, "side": "<=", "says": "Greedy play"}
    return Criterion(**{**values, "bound": 0.2, "seeds": 0.9, **changes})  # type: ignore[arg-type]


def verdict(frame: pd.DataFrame, **changes: object) -> dict[str, object]:
    """The row of one criterion in this table."""
    (row,) = judge([frame], [criterion(**changes)]).to_dict("records")
    return {str(key): value for key, value in row.items()}


def of_naive(*values: float, opponent: str = "naive", relation: str = "same seed") -> pd.DataFrame:
    return table([("split", "naive", opponent, relation, WELFARE, values)])


@pytest.mark.parametrize(
    ("values", "holding", "holds"),
    [
        ([0.1] * 9 + [5.0], 9, True),  # the mean doesn't decide
        ([0.1] * 8 + [5.0] * 2, 8, False),
        ([0.1] * 4 + [0.21], 4, False),  # of five seeds nine tenths are all
        ([0.2] * 3, 3, True),  # a bound belongs to what holds
        ([math.nan] * 3, 0, False),
        ([0.1] * 2 + [math.nan], 2, False),  # a seed in which it never came up isn't left out
    ],
)
def test_a_bound_holds_in_as_many_seeds_as_it_asks_for(
    values: list[float], holding: int, holds: bool
) -> None:
    found = verdict(of_naive(*values))
    assert (found["seeds_holding"], found["holds"]) == (holding, holds)
    if holding:
        assert (found["seeds"], found["share_of_seeds"]) == (len(values), 0.9)


@pytest.mark.parametrize("side", ["<=", ">="])
@pytest.mark.parametrize("kind", ["", "whole"])
@pytest.mark.parametrize("value", [1.8, 2.0, 2.2, math.nan])
def test_else_the_mean_or_the_whole_interval_decides(side: str, kind: str, value: float) -> None:
    found = verdict(of_naive(value), side=side, bound=2.0, kind=kind, seeds=None)
    ends = (value - 0.1, value + 0.1)
    whole = all(end <= 2 if side == "<=" else end >= 2 for end in ends)
    mean = value <= 2 if side == "<=" else value >= 2
    assert found["interval_holds"] == whole
    assert found["holds"] == (whole if kind else mean)
    assert found["bound"] == f"{side} 2"


def test_self_play_and_play_with_other_seeds_are_told_apart() -> None:
    relations = (("same seed", 1.0), ("other seed", 2.0), ("all", 3.0))
    frame = pd.concat([of_naive(value, relation=relation) for relation, value in relations])
    assert verdict(frame)["value"] == 1
    assert verdict(frame, opponent="other_seed")["value"] == 2
    assert verdict(of_naive(4.0, opponent="itself", relation="all"))["value"] == 4  # of ablations


def in_trust(quantity: str, agent: str = ALIGNMENT, **by_opponent: Sequence[float]) -> pd.DataFrame:
    rows: list[Row] = [
        ("trust_and_split", agent, opponent, "all", quantity, values)
        for opponent, values in by_opponent.items()
    ]
    return table(rows)


def test_opponents_have_roles() -> None:
    frame = in_trust(
        "normalised_payoff",
        greedy=[0.0, 0.4],
        greedy_lying=[-0.3, 0.3],
        welfare_maximising=[1.0, 1.0],
        welfare_maximising_lying=[0.1, -0.2],
        naive=[-9.0, -9.0],  # not scripted
    )
    about = {"agent": ALIGNMENT, "game": "any", "quantity": "normalised_payoff", "side": ">="}
    found = {
        role: verdict(frame, **about, opponent=role, bound=-0.25)
        for role in ("greedy", "cooperator", "liar", "worst_scripted", "warm_start")
    }
    assert {role: row["opponent"] for role, row in found.items()} == {
        **{"greedy": "greedy", "cooperator": "welfare_maximising", "warm_start": "warm_start"},
        **{"liar": "welfare_maximising_lying", "worst_scripted": "welfare_maximising_lying"},
    }
    assert found["worst_scripted"]["value"] == pytest.approx(-0.05)
    # each seed's own worst case: -0.3 and -0.2
    assert (found["worst_scripted"]["seeds_holding"], found["worst_scripted"]["seeds"]) == (1, 2)
    # the mean is lowest with the lying cooperator, the interval with the greedy player
    wide = frame.assign(low=frame["low"].mask(frame["opponent"] == "greedy", -0.5))
    for bound, whole in ((-0.51, True), (-0.49, False)):
        judged = verdict(wide, **about, opponent="worst_scripted", bound=bound)
        assert (judged["holds"], judged["interval_holds"]) == (True, whole)
    most = verdict(frame, **{**about, "side": "<="}, opponent="liar", bound=0.5)
    assert (most["opponent"], most["seeds_holding"]) == ("greedy_lying", 2)


def test_the_worst_opponent_of_a_seed_is_one_with_which_it_was_measured() -> None:
    frame = in_trust(
        "normalised_payoff", greedy=[0.1, math.nan, math.nan], greedy_lying=[0.3, 0.4, math.nan]
    )
    about = {"agent": ALIGNMENT, "game": "trust_and_split", "quantity": "normalised_payoff"}
    found = verdict(frame, **about, opponent="worst_scripted", side=">=", bound=0.2, seeds=1)
    assert (found["seeds_holding"], found["seeds"], found["holds"]) == (1, 3, False)


def test_numbers_are_compared_with_another_agent_s() -> None:
    """Fieller's interval by its definition: where the difference from a share of the other isn't told from zero."""
    frame = pd.concat(
        [in_trust(OTHERS, greedy=[0.2, 0.6]), in_trust(OTHERS, "sum_of_rewards", greedy=[0.9, 1.1])]
    )
    about = {
        "agent": ALIGNMENT,
        "game": "trust_and_split",
        "quantity": OTHERS,
        "opponent": "greedy",
    }
    share = verdict(frame, **about, compared_to="share of sum_of_rewards", bound=0.35)
    assert (share["value"], share["seeds_holding"], share["seeds"]) == (pytest.approx(0.4), 1, 2)
    for end in (share["low"], share["high"]):
        assert isinstance(end, float)
        assert abs(0.4 - end * 1.0) == pytest.approx(math.hypot(0.1, end * 0.1))
    more = verdict(frame, **about, compared_to="more than sum_of_rewards", bound=-0.5)
    assert more["value"] == pytest.approx(-0.6)
    assert more["high"] == pytest.approx(-0.6 + math.hypot(0.1, 0.1))
    assert more["seeds_holding"] == 1
    alone = verdict(in_trust(OTHERS, greedy=[0.2]), **about, compared_to="share of sum_of_rewards")
    assert math.isnan(float(str(alone["value"])))


@pytest.mark.parametrize("of_others", [0.0, -1.0])
def test_no_bound_on_a_share_of_nothing_or_less_holds(of_others: float) -> None:
    """Neither with that opponent alone, nor where the share with another one is within the bound."""
    frame = pd.concat(
        [
            in_trust(OTHERS, greedy=[2.0], greedy_lying=[0.1]),
            in_trust(OTHERS, "sum_of_rewards", greedy=[of_others], greedy_lying=[1.0]),
        ]
    )
    about = {"agent": ALIGNMENT, "game": "trust_and_split", "quantity": OTHERS, "bound": 0.35}
    for opponent in ("greedy", "liar", "worst_scripted"):
        found = verdict(frame, **about, opponent=opponent, compared_to="share of sum_of_rewards")
        assert bool(found["holds"]) == (opponent == "liar")
        assert math.isnan(float(str(found["value"]))) == (opponent != "liar")
        assert (found["opponent"], found["seeds"]) == (
            "greedy_lying" if opponent == "liar" else "greedy",
            1,
        )


def test_the_share_of_numbers_without_an_interval_has_none() -> None:
    """Rounding makes what should be no spread less than that: 0.1 as a share of 0.3."""
    exact, other = (Measure(value, value, value) for value in (0.1, 0.3))
    found = exact.share_of(other)
    assert [found.low, found.value, found.high] == pytest.approx([1 / 3] * 3)


def test_conditions_are_told_apart() -> None:
    """In tables that have one, with the column `seed`."""
    plain = of_naive(0.5).drop(columns="seed_relation").assign(opponent="itself", seed="all")
    messages = pd.concat(
        [
            plain.assign(condition="as_sent"),
            plain.assign(condition="shuffled", mean=0.1),
            plain.assign(condition="shuffled", mean=7.0, seed="0"),
        ]
    )
    rows = judge([of_naive(0.5), messages], [criterion(), criterion(condition="shuffled")])
    assert list(rows["value"]) == [0.5, 0.1]
    assert math.isnan(float(str(verdict(messages, condition="none")["value"])))


def test_a_criterion_is_about_kinds_or_names_of_games() -> None:
    declare([{"name": "mine", "kind": "split", "rounds": 3}, {"name": "chicken", "rounds": 3}])
    try:
        rows: list[Row] = [
            (game, "naive", "naive", "same seed", WELFARE, [0.1]) for game in ("mine", "chicken")
        ]
        asked = {"any": 2, "split": 1, "mine": 1, "chicken split": 2, "stag_hunt": 0}
        for game, number in asked.items():
            assert len(judge([table(rows)], [criterion(game=game)])) == number
    finally:
        declare([])


def test_rows_are_ordered_by_model_claim_game_and_agent() -> None:
    games = ("trust_and_split", "split")
    rows: list[Row] = [(game, "naive", "grim", "all", "payoff", [1.0]) for game in games]
    found = judge([table(rows, "b"), table(rows, "a")], read_criteria(SHIPPED))
    assert list(found) == COLUMNS
    assert list(found["model"]) == sorted(found["model"])
    for _, of_model in found.groupby("model"):
        together = of_model[["claim", "game", "agent"]]
        places = together.drop_duplicates()
        assert (together != together.shift()).any(axis=1).sum() == len(places)
        assert list(places["claim"]) == sorted(places["claim"])
        for _, of_claim in places.groupby("claim"):
            assert list(of_claim["game"]) == sorted(of_claim["game"], key=games.index)


def test_where_tables_say_the_same_the_first_counts() -> None:
    (row,) = judge([of_naive(1.0), of_naive(2.0)], [criterion()]).to_dict("records")
    assert row["value"] == 1


def test_games_that_no_claim_is_about_leave_an_empty_table() -> None:
    rows: list[Row] = [("stag_hunt", "naive", "grim", "all", "payoff", [1.0])]
    found = judge([table(rows)], [criterion()])
    assert (len(found), list(found)) == (0, COLUMNS)
    assert "0 of 0 bounds hold" in format_claims(found)


def test_the_shipped_claims_are_about_what_the_default_configuration_plays() -> None:
    config = load_scale("laptop")
    criteria = read_criteria(SHIPPED)
    trained = {algorithm.name for algorithm in config.algorithms}
    variants = {variant.name for variant in config.ablations.variants}
    for each in criteria:
        assert each.agent in trained | variants or is_learner(each.agent)
        assert each.game == "any" or set(each.game.split()) <= set(game_names())
    assert [*dict.fromkeys(each.claim for each in criteria)] == ["C1", "C2", "C3", "C4", "C5", "C6"]


def test_terminal_text_is_narrow_and_says_what_failed_and_in_how_many_seeds(tmp_path: Path) -> None:
    frame = pd.concat(
        [
            of_naive(*[0.1] * 8, 5.0, 5.0),
            in_trust(WELFARE, "naive", naive=[0.1, 0.1]).assign(seed_relation="same seed"),
            in_trust("normalised_payoff", greedy_lying=[-100.25, -300.55]),
            in_trust(OTHERS, greedy=[0.2, 0.6]),
            in_trust(OTHERS, "sum_of_rewards", greedy=[0.9, 1.1]),
        ]
    )
    frame.to_csv(tmp_path / "cross_play.csv", index=False)
    found = claims({"cross_play": tmp_path / "cross_play.csv"}, {"claims": SHIPPED})
    text = format_claims(found)
    assert max(map(len, text.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in text.splitlines()]
    words = "normalised welfare"
    failed = lines.index(f"NO with a copy of itself {words} 1.08 [0.980, 1.18] <= 0.1 8 of 10")
    assert lines[failed + 1] == "in 90%"
    assert f"yes with a copy of itself {words} 0.100 [0.000, 0.200] <= 0.1 2 of 2" in lines
    failed = lines.index(
        "NO with greedy, lying normalised payoff -200.4 [-200.5, -200.3] >= -0.075 0 of 2"
    )
    assert lines[failed + 1] == "(worst scripted) in 90%"
    assert any("more are about what this run didn't measure" in line for line in lines)
    assert "differ by algorithm" not in text
    marked = format_claims(found.assign(settings="differ by algorithm"))
    assert marked.endswith("Settings of training differ by algorithm in Split, Trust-and-Split.")


def test_terminal_text_of_claims_that_name_no_share_of_seeds() -> None:
    text = format_claims(judge([of_naive(0.1, 0.3)], [criterion(seeds=None)]))
    assert "1 of 1 bounds hold" in text
    whole = format_claims(judge([of_naive(0.1, 0.3)], [criterion(seeds=None, kind="whole")]))
    assert "(whole" in whole
    aim = format_claims(judge([of_naive(0.1, 0.3)], [criterion(seeds=None, kind="aim")]))
    assert "(aim)" in aim
    assert "0 of 0 bounds hold" in aim


LINE = "C1,split,naive,itself,,normalised_welfare,,<=,0.1,0.9,,Greedy play"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("split", "chess", "line 3: unknown game 'chess'; known games: .*split"),
        (
            WELFARE,
            "welfair",
            "line 3: split has no quantity 'welfair'; it has payoff, .*claim_other",
        ),
        ("0.1", "little", "line 3: bound must be a number, but is 'little'"),
        ("0.1", "nan", "line 3: bound must be a number, but is 'nan'"),
        ("0.9", "9", "line 3: seeds must be a share from 0 to 1, but is 9"),
        ("0.9,,", "0.9,whole,", "line 3: seeds must be empty where the whole interval must be"),
        ("<=", "<", "line 3: side must be <= or >=, but is '<'"),
        (",,Greedy", ",wish,Greedy", "line 3: kind must be aim or whole, but is 'wish'"),
        (",,<=", ",than greedy,<=", "line 3: compared_to must be share of AGENT or more than"),
        ("naive", "", "line 3: agent must not be empty"),
        (",0.9", "", "line 3: there must be 12 values, but there are 11"),
        ("Greedy play", "", "line 3: the first line of C1 must say in its last column"),
    ],
)
def test_a_mistake_in_the_file_gets_one_sentence(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / "claims.csv"
    file.write_text(f"# bounds\n{','.join(FIELDS)}\n{LINE.replace(old, new, 1)}\n")
    with pytest.raises(UserError, match=message) as error:
        read_criteria(file)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"claims: .*missing.csv can't be read: No such file"):
        read_criteria(tmp_path / "missing.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match="the first line must be claim,game,agent"):
        read_criteria(tmp_path / "empty.csv")


def test_a_file_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """Such programs begin with a mark of UTF-8, and fill lines that are empty with commas or blanks."""
    file = tmp_path / "claims.csv"
    lines = f"{','.join(FIELDS)}\n{LINE}\n"
    file.write_text(lines)
    expected = read_criteria(file)
    file.write_text(f"{lines}{',' * (len(FIELDS) - 1)}\n  \n", encoding="utf-8-sig")
    assert read_criteria(file) == expected


def test_a_quantity_of_any_game_must_be_one_of_every_game(tmp_path: Path) -> None:
    file = tmp_path / "claims.csv"
    line = LINE.replace("split", "any").replace(WELFARE, "truthfulness")
    file.write_text(f"{','.join(FIELDS)}\n{line}\n")
    with pytest.raises(UserError, match="'truthfulness' is no quantity of every game: payoff, "):
        read_criteria(file)


def test_the_name_of_an_agent_that_is_misspelt_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "claims.csv"
    lines = [
        LINE,
        LINE.replace("naive", "naiv"),
        LINE.replace(",,<=", ",more than sum_of_reward,<="),
    ]
    file.write_text("\n".join((",".join(FIELDS), *lines)))
    warn_of_misspelt(file, read_criteria(file), ["naive", "sum_of_rewards", "alignment"])
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: C1: no agent is called 'naiv', did you mean 'naive'?",
        f"{file}: C1: no agent is called 'sum_of_reward', did you mean 'sum_of_rewards'?",
    ]


@pytest.mark.parametrize("scale", SCALES)
def test_the_claims_of_a_scale_name_its_agents(
    scale: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_scale("laptop" if scale == "config" else scale)
    file = REPOSITORY / config.claims
    warn_of_misspelt(file, read_criteria(file), contents.agents(config))
    assert not caplog.records
