"""Figures from a small made-up experiment: scripted players stand in for the trained ones."""

import itertools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from social_dilemmas.agents.agent import learner_name
from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.noise import Noisy
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game, declare
from social_dilemmas.games.game import SEATS, Game, Match
from social_dilemmas.report.catalogue import FIGURES
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, summarise
from social_dilemmas.statistics import tables
from social_dilemmas.statistics.references import references

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
        {
            "iteration": iteration,
            "payoff": payoff,
            "payoff_opponent": 0.8 * payoff,
            "invalid_rate": 0.3 * (1 - way),
            "seconds_sampling": 0.5,
        }
        | ({"truthfulness": true.clip(0, 1)} if game == "trust_and_split" else {})
    )


LEARNING = {
    "naive": ["warm_start", "naive", "sum_of_rewards", "advantage_alignment", "random"],
    "advantage_alignment": ["naive", "advantage_alignment"],
}


def learned(cross_play_matches: pd.DataFrame) -> pd.DataFrame:
    """Matches of stand-ins for learners with opponents that don't learn, of their own seeds."""
    parts = []
    for algorithm, opponents in LEARNING.items():
        frame = cross_play_matches
        same = frame["opponent_seed"].isin([tables.FIXED]) | (
            frame["opponent_seed"] == frame["agent_seed"]
        )
        own = frame[(frame["agent"] == algorithm) & frame["opponent"].isin(opponents) & same]
        parts.append(own.assign(agent=learner_name(algorithm)))
        parts.append(own.assign(agent=own["opponent"], opponent=learner_name(algorithm)))
    return pd.concat(parts, ignore_index=True)


VARIANTS = {"no_group_baseline": -3.0, "critic": 0.0, "with_buffer": 4.0}
"""Variants of Advantage Alignment, and by how much their payoffs differ."""


def varied(cross_play_matches: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Matches of a variant with itself and with scripted players."""
    frame = cross_play_matches[cross_play_matches["agent"] == "advantage_alignment"]
    itself = (frame["opponent"] == "advantage_alignment") & (
        frame["opponent_seed"] == frame["agent_seed"]
    )
    frame = frame[itself | (frame["opponent_seed"] == tables.FIXED)]
    return frame.assign(
        agent=variant,
        opponent=frame["opponent"].mask(frame["opponent"] == "advantage_alignment", variant),
        payoff=frame["payoff"] + VARIANTS[variant],
    )


def experiment(folder: Path, count: int) -> dict[str, pd.DataFrame]:
    """The tables of an experiment with `count` matches a pair."""
    runs = {}
    for game, algorithm, seed in itertools.product(GAMES, STAND_INS, SEEDS):
        path = folder / f"{game}-{algorithm}-{seed}.csv"
        metrics(game, algorithm, seed).to_csv(path, index=False)
        runs[game, "embedded", algorithm, seed] = path
    files, learners, standard, variants = {}, {}, {}, {}
    for game in GAMES:
        played = matches(game, count)
        files[game, "embedded"] = folder / f"{game}.parquet"
        played.to_parquet(files[game, "embedded"])
        standard[game, "embedded", "advantage_alignment"] = files[game, "embedded"]
        learners[game, "embedded"] = folder / f"{game}-learners.parquet"
        learned(played).to_parquet(learners[game, "embedded"])
        for variant in VARIANTS:
            variants[game, "embedded", variant] = folder / f"{game}-{variant}.parquet"
            varied(played, variant).to_parquet(variants[game, "embedded", variant])
    against = {
        (game, model, algorithm, opponent, seed): path
        for (game, model, algorithm, seed), path in runs.items()
        for opponent in LEARNING.get(algorithm, [])
        if game != "split" or opponent in ("naive", "warm_start")
    }
    return {
        "learning_curves": tables.learning_curves(runs),
        "cross_play": tables.cross_play(files),
        "fingerprints": tables.fingerprints(files),
        "learning_against_fixed": tables.learning_against_fixed(against),
        "exploitability": tables.exploitability(learners),
        "ablations": tables.ablations(standard, variants),
    }


DRAWN = {name: entry for name, entry in FIGURES.items() if name != "tournament"}
"""The tournament has a test of its own."""


def draw(name: str, table: pd.DataFrame) -> Figure:
    """A figure of the catalogue, from the table of what it shows."""
    module = import_module(f"social_dilemmas.report.figures.{FIGURES[name].module}")
    figure: Figure = module.draw(table)
    return figure


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, pd.DataFrame]]:
    """The table of every figure."""
    declare([{"name": game, "rounds": 10, "rules": {}} for game in GAMES])
    made = experiment(tmp_path_factory.mktemp("experiment"), count=2)
    found = {}
    for name, entry in DRAWN.items():
        module = import_module(f"social_dilemmas.report.figures.{entry.module}")
        found[name] = module.table(*map(made.__getitem__, entry.tables), **entry.arguments)
    yield found
    declare([])


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


@pytest.mark.parametrize("name", DRAWN)
def test_saving_again_gives_the_same_bytes(
    name: str, shown: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """Also from the numbers that stand beside the figure, read from their file."""
    numbers = one_game(shown[name])
    numbers.to_csv(tmp_path / "numbers.csv", index=False)
    again = pd.read_csv(tmp_path / "numbers.csv")
    for folder, table in (("first", numbers), ("again", again)):
        outputs = [tmp_path / folder / f"{name}{suffix}" for suffix in (".pdf", ".svg", ".png")]
        style.save(draw(name, table), outputs)
    for output in outputs:
        first = (tmp_path / "first" / output.name).read_bytes()
        assert first == output.read_bytes(), output.name
        assert len(first) > 5000


@pytest.mark.parametrize("name", [*DRAWN, "fingerprints, backwards"])
def test_no_text_lies_over_other_text_or_leaves_the_figure(
    name: str, shown: dict[str, pd.DataFrame]
) -> None:
    name, _, backwards = name.partition(", ")
    figure = draw(name, shown[name][::-1] if backwards else shown[name])
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text: text.get_window_extent(renderer) for text in texts_of(figure)}
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text.get_text()
    for (first, box), (second, other) in itertools.combinations(boxes.items(), 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (first.get_text(), second.get_text())


@pytest.mark.parametrize("name", ["learning_curves", "fingerprints", "cross_play"])
def test_there_is_one_titled_panel_for_each_game(name: str, shown: dict[str, pd.DataFrame]) -> None:
    figure = draw(name, shown[name])
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == [build_game(game, 1).title for game in GAMES]


def test_several_models_have_panels_of_their_own(shown: dict[str, pd.DataFrame]) -> None:
    for name in DRAWN:
        if name == "naive_learning_curves":
            continue  # it has all models in one panel
        table = one_game(shown[name])
        both = pd.concat([table, table.assign(model="another")], ignore_index=True)
        one, two = (
            sum(bool(axis.get_title(loc="left")) for axis in draw(name, each).axes)
            for each in (table, both)
        )
        assert two == 2 * one, name
        assert any("another" in text for text in words(draw(name, both))), name


def test_lines_are_drawn_through_the_numbers_of_the_table(
    shown: dict[str, pd.DataFrame],
) -> None:
    table = shown["learning_curves"]
    axis = draw("learning_curves", table).axes[0]
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


def test_reference_payoffs_are_those_of_the_rules(shown: dict[str, pd.DataFrame]) -> None:
    found = references(GAMES).set_index(["game", "reference"])["payoff"]
    assert found["prisoners_dilemma", "both greedy"] == 1
    assert found["prisoners_dilemma", "welfare-optimal"] == 3
    assert found["split", "both greedy"] == pytest.approx(82.5, rel=0.02)
    assert found["split", "welfare-optimal"] == pytest.approx(127.5, rel=0.02)
    assert found["trust_and_split", "both greedy"] == 27.5
    assert found["trust_and_split", "welfare-optimal"] == 50


def test_references_are_named_in_every_panel(shown: dict[str, pd.DataFrame]) -> None:
    texts = words(draw("learning_curves", shown["learning_curves"]))
    assert texts.count("both greedy") == texts.count("welfare-optimal") == len(GAMES)
    assert "Payoff per round (points)" in texts
    assert {"Naive RL", "Sum of rewards", "Advantage Alignment"} <= set(texts)


def test_cells_hold_the_numbers_of_the_table(shown: dict[str, pd.DataFrame]) -> None:
    """The diagonal is self-play."""
    table = shown["cross_play"]
    itself = table["agent"] == table["opponent"]
    assert set(table.loc[itself, "seed_relation"]) == {"same seed"}
    assert set(table.loc[~itself, "seed_relation"]) == {"all"}
    texts = words(draw("cross_play", table))
    dilemma = table[table["game"] == "prisoners_dilemma"]
    assert len(dilemma) == (4 + len(SCRIPTED["prisoners_dilemma"])) ** 2
    for row in dilemma.itertuples():
        assert {f"{row.mean:.2f}", f"{row.low:.2f}–{row.high:.2f}"} <= set(texts)


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
    assert len(words(draw("proposals", table))) == len(words(draw("proposals", shown["proposals"])))


def test_naive_learning_curves_are_those_of_naive_play_by_model(
    shown: dict[str, pd.DataFrame],
) -> None:
    """One panel for each game; with several models there is a colour for each."""
    table = shown["naive_learning_curves"]
    all_curves = shown["learning_curves"]
    naive = all_curves[all_curves["algorithm"] == "naive"]
    curves = table[table["line"] != REFERENCE]
    np.testing.assert_array_equal(np.sort(curves["value"]), np.sort(naive["value"]))
    assert set(curves["model"]) == {"embedded"}
    references_ = table[table["line"] == REFERENCE]
    assert set(references_["model"]) == {"both greedy", "welfare-optimal"}
    assert len(references_) == 2 * len(GAMES)
    assert "Naive RL" in words(draw("naive_learning_curves", table))
    another = curves.assign(model="another", value=curves["value"] + 1)
    figure = draw("naive_learning_curves", pd.concat([table, another], ignore_index=True))
    assert {"Embedded", "Another"} <= set(words(figure))
    colours = style.colours(["another", "embedded"])
    for name, part in (("embedded", curves), ("another", another)):
        thick = [line for line in figure.axes[0].lines if line.get_color() == colours[name]][-1]
        wanted = part[(part["game"] == GAMES[0]) & (part["line"] == "mean over seeds")]
        np.testing.assert_array_equal(thick.get_ydata(), wanted["value"])


def test_invalid_replies_are_shares_of_rounds(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["invalid_replies"]
    assert set(table["algorithm"]) == {*STAND_INS}
    first = table[(table["iteration"] == 0) & (table["line"] == "mean over seeds")]
    assert first["value"].between(0.2, 0.3).all()
    figure = draw("invalid_replies", table)
    assert "Share of rounds" in words(figure)
    for axis in figure.axes[: len(GAMES)]:
        assert axis.get_ylim()[1] >= table["value"].max()
    none = draw("invalid_replies", table.assign(value=0.0))  # as with masks: no reply is invalid
    assert none.axes[0].get_ylim()[1] == pytest.approx(0.1)


def test_learning_against_fixed_shows_both_sides(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["learning_against_fixed"]
    means = table[table["line"] == "mean over seeds"].set_index(
        ["game", "opponent", "side", "algorithm", "iteration"]
    )["value"]
    means = means.sort_index()
    learner = means["trust_and_split", "warm_start", "learner", "naive"]
    other = means["trust_and_split", "warm_start", "opponent", "naive"]
    np.testing.assert_allclose(other, 0.8 * learner)
    assert set(table.loc[table["game"] == "split", "opponent"]) == {"naive", "warm_start"}
    figure = draw("learning_against_fixed", table)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left").split()[-1] for axis in panels] == [
        *("start", "RL", "rewards", "Alignment", "Random"),
        *("start", "RL"),
        *("start", "RL", "rewards", "Alignment", "Random"),
    ]
    colour = style.COLOURS["naive"]
    thick = [
        line for line in panels[-5].lines if line.get_color() == colour and not line.get_alpha()
    ]
    solid, dashed = thick
    np.testing.assert_array_equal(solid.get_ydata(), learner)
    np.testing.assert_array_equal(dashed.get_ydata(), other)
    assert (solid.is_dashed(), dashed.is_dashed()) == (False, True)


def test_learning_against_one_opponent_alone(shown: dict[str, pd.DataFrame]) -> None:
    alone = shown["learning_against_alignment"]
    every = shown["learning_against_fixed"]
    wanted = every[every["opponent"] == "advantage_alignment"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, wanted)
    titles = [axis.get_title(loc="left") for axis in draw("learning_against_fixed", alone).axes]
    assert titles == [build_game(game, 1).title for game in alone["game"].unique()]


def points(axis: Axes) -> list[tuple[float, float, str, bool]]:
    """Points with error bars: x, y, colour, and whether they are filled."""
    found = []
    for container in axis.containers:
        assert isinstance(container, ErrorbarContainer)
        line = container.lines[0]
        assert line is not None
        (x,), (y,) = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        filled = line.get_markerfacecolor() != "white"
        found.append((float(x), float(y), str(line.get_color()), filled))
    return found


def test_exploitability_shows_what_both_sides_get(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["exploitability"]
    assert set(table["quantity"]) == {"payoff", "payoff_opponent"}
    assert set(table["agent"]) == {learner_name(algorithm) for algorithm in LEARNING}
    figure = draw("exploitability", table)
    axis = figure.axes[0]
    dilemma = table[table["game"] == "prisoners_dilemma"]
    found = points(axis)
    assert len(found) == len(dilemma) == 2 * sum(map(len, LEARNING.values()))
    wanted = {
        (
            row["mean"],
            style.COLOURS[row["agent"].removesuffix("_learner")],
            row["quantity"] == "payoff",
        )
        for row in dilemma.to_dict("records")
    }
    assert {(x, colour, filled) for x, _, colour, filled in found} == wanted
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["Warm start", "Naive RL", "Sum of rewards", "Advantage Alignment", "Random"]
    places = {y for _, y, colour, _ in found if colour == style.COLOURS["naive"]}
    assert sorted(map(round, places)) == [0, 1, 2, 3, 4]
    assert len({y for _, y, _, _ in found}) == 7  # two learners never lie on each other


def test_ablations_are_filled_where_they_matter(shown: dict[str, pd.DataFrame]) -> None:
    table = shown["ablations"]
    figure = draw("ablations", table)
    axis = figure.axes[0]
    itself = table[
        (table["game"] == "prisoners_dilemma")
        & (table["opponent"] == "itself")
        & (table["quantity"] == "payoff")
    ]
    assert list(itself["agent"]) == ["advantage_alignment", *VARIANTS]
    np.testing.assert_allclose([x for x, *_ in points(axis)], itself["mean"])
    assert [y for _, y, _, _ in points(axis)] == [0, 1, 2, 3]
    assert [filled for *_, filled in points(axis)] == [True, True, False, True]
    assert points(axis)[0][2] == style.COLOURS["advantage_alignment"]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["Advantage Alignment", "No group baseline", "Critic", "With buffer"]


def test_ablations_show_self_play_greedy_players_and_cooperators(
    shown: dict[str, pd.DataFrame],
) -> None:
    table = shown["ablations"]
    panels = {
        game: set(zip(rows["opponent"], rows["quantity"], strict=True))
        for game, rows in table.groupby("game")
    }
    assert panels["prisoners_dilemma"] == {
        ("itself", "payoff"),
        ("always_b", "payoff"),
        ("always_a", "payoff"),
        ("always_a", "payoff_opponent"),
    }
    for game in ("split", "trust_and_split"):
        assert panels[game] == {
            ("itself", "payoff"),
            ("greedy", "payoff"),
            ("welfare_maximising", "payoff"),
            ("welfare_maximising", "payoff_opponent"),
        }
    # a game without such players has the first panel only
    alone = draw("ablations", table[table["opponent"] == "itself"])
    assert [axis.get_visible() for axis in alone.axes] == 3 * [True, False, False, False]


def test_new_algorithms_get_a_look_of_their_own() -> None:
    agents = ["naive", "another", "yet_another"]
    assert len(set(style.colours(agents).values())) == len(style.COLOURS) + 2
    assert len(set(style.markers(agents).values())) == len(style.COLOURS) + 2
    assert style.colours(agents)["naive"] == style.colours(["naive"])["naive"]


def test_drawing_leaves_the_settings_of_others_alone(shown: dict[str, pd.DataFrame]) -> None:
    before = dict(rcParams)
    draw("proposals", shown["proposals"])
    assert dict(rcParams) == before
