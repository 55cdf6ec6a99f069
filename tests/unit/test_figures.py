"""Figures from a small made-up experiment: scripted players stand in for the trained ones."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from social_dilemmas.evaluation import tables
from social_dilemmas.evaluation.references import references
from social_dilemmas.figures import (
    cross_play,
    fingerprints,
    learning_curves,
    proposals,
    style,
    truthfulness,
)
from social_dilemmas.figures.curves import summarise
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Game, Match
from social_dilemmas.players.noise import Noisy
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.players.scripted import scripted_player

GAMES = ("prisoners_dilemma", "split", "trust_and_split")
SEEDS = (0, 42, 1337)
ITERATIONS = 40
SCRIPTED = {
    "prisoners_dilemma": ["always_a", "always_b", "tit_for_tat", "random"],
    "split": ["greedy", "welfare_maximising", "random"],
    "trust_and_split": ["greedy", "greedy_lying", "welfare_maximising", "random"],
}
STAND_INS = {
    "naive": ({"prisoners_dilemma": "always_b", "trust_and_split": "greedy_lying"}, "greedy", 0.06),
    "sum_of_rewards": ({"prisoners_dilemma": "always_a"}, "welfare_maximising", 0.02),
    "advantage_alignment": ({"prisoners_dilemma": "tit_for_tat"}, "reciprocator", 0.05),
}
"""For each algorithm: the players of some games, that of the others, and how often it slips."""

Agent = tuple[str, int]


def stand_in(game: str, agent: Agent) -> Player:
    """Plays in place of a trained agent; seeds slip more or less often."""
    name, seed = agent
    if name == "warm_start":
        return Noisy(scripted_player(game, SCRIPTED[game][-2]), 0.5)
    if seed == tables.FIXED:
        return scripted_player(game, name)
    by_game, otherwise, noise = STAND_INS[name]
    player = scripted_player(game, by_game.get(game, otherwise))
    return Noisy(player, noise * (1 + SEEDS.index(seed)))


def observed(game: Game, match: Match, seat: int) -> dict[str, float]:
    """Mean and number of everything that a seat did."""
    values: dict[str, list[float]] = {name: [] for name in game.behaviours}
    for name, value in game.observe(match, seat):
        values[name].append(value)
    means = {name: float(np.mean(seen)) if seen else np.nan for name, seen in values.items()}
    return means | {f"{name}{tables.COUNT}": len(seen) for name, seen in values.items()}


def matches(name: str, count: int) -> pd.DataFrame:
    """A cross-play of stand-ins."""
    game = build_game(name, 10)
    agents: list[Agent] = [*itertools.product(STAND_INS, SEEDS), ("warm_start", tables.FIXED)]
    agents += [(player, tables.FIXED) for player in SCRIPTED[name]]
    players = {agent: stand_in(name, agent) for agent in agents}
    pairs = list(itertools.combinations_with_replacement(agents, 2))
    started = [game.start(number) for _ in pairs for number in range(count)]
    seated = [pair for pair in pairs for _ in range(count)]
    play(started, [(players[first], players[second]) for first, second in seated])
    rows = []
    for number, (match, pair) in enumerate(zip(started, seated, strict=True)):
        points = [float(np.mean(match.rewards(seat))) for seat in SEATS]
        optimum = game.welfare_optimum(match) / game.rounds
        for seat in SEATS:
            (agent, seed), (opponent, opponent_seed) = pair[seat], pair[1 - seat]
            rows.append(
                {
                    "game": name,
                    "agent": agent,
                    "agent_seed": seed,
                    "opponent": opponent,
                    "opponent_seed": opponent_seed,
                    "match": number % count,
                    "seat": seat,
                    "payoff": points[seat],
                    "payoff_opponent": points[1 - seat],
                    "welfare_share": sum(points) / optimum,
                    **observed(game, match, seat),
                }
            )
    return pd.DataFrame(rows)


def metrics(game: str, algorithm: str, seed: int) -> pd.DataFrame:
    """A learning curve between two payoffs."""
    random = np.random.default_rng([SEEDS.index(seed), len(algorithm), len(game)])
    scale = {"prisoners_dilemma": 3.0, "split": 127.5, "trust_and_split": 50.0}[game]
    end = {"naive": 0.4, "sum_of_rewards": 0.97, "advantage_alignment": 0.85}[algorithm]
    iteration = np.arange(ITERATIONS)
    way = 1 / (1 + np.exp((15 + random.normal(0, 3) - iteration) / 4))
    payoff = scale * (0.64 + way * (end - 0.64) + random.normal(0, 0.012, ITERATIONS))
    true = 0.5 + way * (end - 0.5) + random.normal(0, 0.02, ITERATIONS)
    return pd.DataFrame(
        {"iteration": iteration, "payoff": payoff, "seconds_sampling": 0.5}
        | ({"truthfulness": true.clip(0, 1)} if game == "trust_and_split" else {})
    )


def experiment(folder: Path, count: int) -> dict[str, pd.DataFrame]:
    """The tables of an experiment with `count` matches a pair."""
    runs = {}
    for game, algorithm, seed in itertools.product(GAMES, STAND_INS, SEEDS):
        path = folder / f"{game}-{algorithm}-{seed}.csv"
        metrics(game, algorithm, seed).to_csv(path, index=False)
        runs[game, "embedded", algorithm, seed] = path
    files = {}
    for game in GAMES:
        files[game, "embedded"] = folder / f"{game}.parquet"
        matches(game, count).to_parquet(files[game, "embedded"])
    curves, prints = tables.learning_curves(runs), tables.fingerprints(files)
    entries = [{"name": game, "rounds": 10, "rules": {}} for game in GAMES]
    return {
        "learning_curves": learning_curves.table(curves, entries),
        "cross_play": cross_play.table(tables.cross_play(files)),
        "fingerprints": fingerprints.table(prints),
        "proposals": proposals.table(prints),
        "truthfulness": truthfulness.table(curves, prints),
    }


MODULES = (learning_curves, cross_play, fingerprints, proposals, truthfulness)
DRAW = {module.__name__.rpartition(".")[2]: module.draw for module in MODULES}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The table of every figure."""
    return experiment(tmp_path_factory.mktemp("experiment"), count=2)


def one_game(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that takes least time to draw."""
    return table[table["game"] == "trust_and_split"].reset_index(drop=True)


def texts_of(figure: Figure) -> list[Text]:
    """All text that stands in a figure; labels of ticks beyond the ends of an axis don't."""
    figure.draw_without_rendering()
    beyond: set[Artist] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    beyond |= {tick.label1, tick.label2}
    found = (text for text in figure.findobj(Text) if text not in beyond)
    return [
        text
        for text in found
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip()
    ]


def words(figure: Figure) -> list[str]:
    """What stands in a figure."""
    return [text.get_text() for text in texts_of(figure)]


@pytest.mark.parametrize("name", DRAW)
def test_saving_again_gives_the_same_bytes(
    name: str, shown: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """Also from the numbers that stand beside the figure, read from their file."""
    numbers = one_game(shown[name])
    numbers.to_csv(tmp_path / "numbers.csv", index=False)
    again = pd.read_csv(tmp_path / "numbers.csv")
    for folder, table in (("first", numbers), ("again", again)):
        outputs = [tmp_path / folder / f"{name}{suffix}" for suffix in (".pdf", ".svg", ".png")]
        style.save(DRAW[name](table), outputs)
    for output in outputs:
        first = (tmp_path / "first" / output.name).read_bytes()
        assert first == output.read_bytes(), output.name
        assert len(first) > 5000


@pytest.mark.parametrize("name", [*DRAW, "fingerprints, backwards"])
def test_no_text_lies_over_other_text_or_leaves_the_figure(
    name: str, shown: dict[str, pd.DataFrame]
) -> None:
    name, _, backwards = name.partition(", ")
    figure = DRAW[name](shown[name][::-1] if backwards else shown[name])
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text: text.get_window_extent(renderer) for text in texts_of(figure)}
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text.get_text()
    for (first, box), (second, other) in itertools.combinations(boxes.items(), 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (first.get_text(), second.get_text())


@pytest.mark.parametrize("name", ["learning_curves", "fingerprints", "cross_play"])
def test_there_is_one_titled_panel_for_each_game(name: str, shown: dict[str, pd.DataFrame]) -> None:
    figure = DRAW[name](shown[name])
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == [build_game(game, 1).title for game in GAMES]


def test_several_models_have_panels_of_their_own(shown: dict[str, pd.DataFrame]) -> None:
    for name, draw in DRAW.items():
        table = one_game(shown[name])
        both = pd.concat([table, table.assign(model="another")], ignore_index=True)
        one, two = (
            sum(bool(axis.get_title(loc="left")) for axis in draw(each).axes)
            for each in (table, both)
        )
        assert two == 2 * one, name
        assert any("another" in text for text in words(draw(both))), name


def test_lines_are_drawn_through_the_numbers_of_the_table(
    shown: dict[str, pd.DataFrame],
) -> None:
    table = shown["learning_curves"]
    axis = learning_curves.draw(table).axes[0]
    wanted = table[
        (table["game"] == "prisoners_dilemma")
        & (table["algorithm"] == "naive")
        & (table["line"] == "mean over seeds")
    ]
    thick = [line for line in axis.lines if line.get_color() == style.COLOURS["naive"]][-1]
    np.testing.assert_array_equal(thick.get_ydata(), wanted["value"])
    np.testing.assert_array_equal(thick.get_xdata(), wanted["iteration"])


def test_the_mean_and_the_range_are_those_of_the_seeds() -> None:
    rows = [("m", "split", "naive", s, 3, "payoff", v) for s, v in [(0, 1.0), (1, 2.0), (2, 6.0)]]
    rows.append(("m", "split", "naive", 0, 4, "payoff", np.nan))
    table = summarise(pd.DataFrame(rows, columns=tables.CURVE_COLUMNS), "payoff")
    values = table.set_index("line")["value"].to_dict()
    assert values == {
        "seed 0": 1,
        "seed 1": 2,
        "seed 2": 6,
        "mean over seeds": 3,
        "lowest seed": 1,
        "highest seed": 6,
    }


def test_reference_payoffs_are_those_of_the_rules() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "prisoners_dilemma", "rounds": 4, "rules": {"punishment": 1.5}},
        {"name": "split", "rounds": 10, "rules": {}},
        {"name": "trust_and_split", "rounds": 10, "rules": {}},
    ]
    found = references(entries).set_index(["game", "reference"])["payoff"]
    assert found["prisoners_dilemma", "both greedy"] == 1.5
    assert found["prisoners_dilemma", "welfare-optimal"] == 3
    assert found["split", "both greedy"] == pytest.approx(82.5, rel=0.02)
    assert found["split", "welfare-optimal"] == pytest.approx(127.5, rel=0.02)
    assert found["trust_and_split", "both greedy"] == 27.5
    assert found["trust_and_split", "welfare-optimal"] == 50


def test_references_are_named_in_every_panel(shown: dict[str, pd.DataFrame]) -> None:
    texts = words(learning_curves.draw(shown["learning_curves"]))
    assert texts.count("both greedy") == texts.count("welfare-optimal") == len(GAMES)
    assert "Payoff per round (points)" in texts
    assert {"Naive RL", "Sum of rewards", "Advantage Alignment"} <= set(texts)


def test_cells_hold_the_numbers_of_the_table(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["cross_play"]
    texts = words(cross_play.draw(table))
    dilemma = table[table["game"] == "prisoners_dilemma"]
    agents = 4 + len(SCRIPTED["prisoners_dilemma"])
    assert len(dilemma) == agents**2
    for row in dilemma.itertuples():
        assert f"{row.mean:.2f}" in texts
        assert f"{row.low:.2f}–{row.high:.2f}" in texts


def test_the_diagonal_is_self_play(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["cross_play"]
    itself = table["agent"] == table["opponent"]
    assert set(table.loc[itself, "pairing"]) == {"same seed"}
    assert set(table.loc[~itself, "pairing"]) == {"all"}


def test_fingerprints_show_trained_agents_in_every_situation(
    shown: dict[str, pd.DataFrame],
) -> None:
    table = shown["fingerprints"]
    assert set(table["agent"]) == {*STAND_INS, "warm_start"}
    alignment = table[
        (table["game"] == "prisoners_dilemma") & (table["agent"] == "advantage_alignment")
    ].set_index("quantity")["mean"]
    assert alignment.notna().all()
    assert alignment["cooperation_after_DC"] > 0.8 > 0.2 > alignment["cooperation_after_CD"]


def test_proposals_are_those_of_the_stand_ins(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["proposals"]
    means = table.set_index(["agent", "quantity"])["mean"]
    assert len(table) == 4 * 5
    assert means["naive", "coins_lower_hand"] > 9
    assert means["sum_of_rewards", "coins_lower_hand"] < 1
    assert means["advantage_alignment", "coins_lower_after_grab"] > 8
    assert means["advantage_alignment", "coins_lower_after_fair"] < 2


def test_truthfulness_in_training_and_after_it(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["truthfulness"]
    after = table[table["line"] == "cross-play"].set_index(["algorithm", "opponent"])["value"]
    assert after["naive", "itself"] == 0
    assert after["sum_of_rewards", "everyone"] == 1
    assert set(table["line"]) >= {"mean over seeds", "seed 42", "cross-play"}


def test_what_was_never_observed_is_left_out(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["proposals"].copy()
    never = (table["agent"] == "naive") & (table["quantity"] == "coins_lower_after_grab")
    table.loc[never, ["mean", "low", "high"]] = np.nan
    assert len(words(proposals.draw(table))) == len(words(proposals.draw(shown["proposals"])))


def test_new_algorithms_get_a_look_of_their_own() -> None:
    agents = ["naive", "another", "yet_another"]
    assert len(set(style.colours(agents).values())) == len(style.COLOURS) + 2
    assert len(set(style.markers(agents).values())) == len(style.COLOURS) + 2
    assert style.colours(agents)["naive"] == style.colours(["naive"])["naive"]


def test_drawing_leaves_the_settings_of_others_alone(shown: dict[str, pd.DataFrame]) -> None:
    before = dict(rcParams)
    proposals.draw(shown["proposals"])
    assert dict(rcParams) == before


def test_nothing_here_needs_torch() -> None:
    modules = ["evaluation.tables", "evaluation.claims"]
    modules += [module.__name__.removeprefix("social_dilemmas.") for module in MODULES]
    imports = "; ".join(f"import social_dilemmas.{name}" for name in modules)
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    folder = Path(style.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(folder)})
