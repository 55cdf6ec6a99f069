"""Figures from a small experiment that never took place: payoffs and behaviours are drawn at random."""

from collections.abc import Iterator
from importlib import import_module
from itertools import combinations, combinations_with_replacement, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cycler import cycler
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from social_dilemmas.agents.agent import UNSEEDED, learner_name
from social_dilemmas.agents.conditions import Condition, conditions_in
from social_dilemmas.games import declare, named_game
from social_dilemmas.report.catalogue import FIGURES
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import MEAN, REFERENCE, summarise
from social_dilemmas.report.names import game_title
from social_dilemmas.statistics import disturbances, tables
from social_dilemmas.statistics.generalisation import generalisation
from social_dilemmas.statistics.invasion import population
from social_dilemmas.statistics.prior_sweep import prior_sweep
from social_dilemmas.statistics.quantities import NORMALISED

GAMES = ("prisoners_dilemma", "split", "trust_and_split")
MODEL, SEEDS, ITERATIONS = "embedded", (0, 42, 1337), 40
ALGORITHMS = ("naive", "sum_of_rewards", "advantage_alignment")
SCRIPTED = {
    "prisoners_dilemma": ["always_cooperate", "always_defect", "tit_for_tat", "random"],
    "split": ["greedy", "welfare_maximising", "random"],
    "trust_and_split": ["greedy", "greedy_lying", "welfare_maximising", "random"],
}
BEST = {"prisoners_dilemma": 3.0, "split": 127.5, "trust_and_split": 50.0}
LEARNING = {
    "naive": ["warm_start", *ALGORITHMS, "random"],
    "advantage_alignment": ["naive", "advantage_alignment"],
}
PAIRS = (("naive", "naive"), ("advantage_alignment", "naive"))
VARIATIONS = ("as_trained", "other_letter", "twenty_rounds")
VARIANTS = {"no_group_baseline": -3.0, "critic": 0.0, "with_buffer": 4.0}
"""Variants of Advantage Alignment, and by how much their payoffs differ."""

DRAWN = {
    name: entry
    for name, entry in FIGURES.items()
    if not name.startswith(("tournament", "all_", "first_"))
}
"""The tournament has a test of its own; figures of all seeds look like those of some."""

Tables = dict[str, pd.DataFrame]


def matches(name: str) -> pd.DataFrame:
    """A cross-play with two matches a pair, in which one situation never arises."""
    game, random = named_game(name), np.random.default_rng(len(name))
    agents = [*product(ALGORITHMS, SEEDS), ("warm_start", UNSEEDED)]
    agents += [(player, UNSEEDED) for player in SCRIPTED[name]]
    pairs = combinations_with_replacement(agents, 2)
    rows = []
    for pair, match, seat in product(pairs, range(2), (0, 1)):
        (agent, agent_seed), (opponent, opponent_seed) = pair[seat], pair[1 - seat]
        row: dict[str, Any] = {"game": name, "agent": agent, "agent_seed": agent_seed}
        row |= {"opponent": opponent, "opponent_seed": opponent_seed, "match": match, "seat": seat}
        row |= {"payoff": BEST[name] * random.uniform(), "payoff_opponent": BEST[name] / 2}
        row |= {name: random.uniform() for name in ("welfare_share", *NORMALISED)}
        for behaviour in game.behaviours:
            end = 1.0 if behaviour == "truthfulness" else game.axis[1]
            row[behaviour] = end * random.uniform() if random.uniform() < 0.9 else np.nan
        if agent == "naive":
            row[list(game.behaviours)[-1]] = np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def metrics(game: str, algorithm: str, seed: int) -> pd.DataFrame:
    """A learning curve between two payoffs."""
    random = np.random.default_rng([SEEDS.index(seed), len(algorithm), len(game)])
    way = 1 / (1 + np.exp((15 + random.normal(0, 3) - np.arange(ITERATIONS)) / 4))
    end = {"naive": 0.4, "sum_of_rewards": 0.97, "advantage_alignment": 0.85}[algorithm]
    payoff = BEST[game] * (0.64 + way * (end - 0.64) + random.normal(0, 0.012, ITERATIONS))
    curve = pd.DataFrame({"payoff": payoff, "payoff_opponent": 0.8 * payoff})
    curve = curve.assign(invalid_rate=0.3 * (1 - way), seconds_sampling=0.5)
    if game == "trust_and_split":
        curve["truthfulness"] = 0.5 + way * (end - 0.5)
    return curve.rename_axis("iteration").reset_index()


def paired(first: Path, second: Path) -> pd.DataFrame:
    """The metrics of two trainings as those of two learners at once."""
    rows = [
        pd.read_csv(path).assign(learner=place) for place, path in enumerate((first, second), 1)
    ]
    return pd.concat(rows, ignore_index=True)


def learned(played: pd.DataFrame) -> pd.DataFrame:
    """Matches of learners with opponents that don't learn, of their own seeds."""
    pairs = played[["agent", "opponent"]].to_numpy()
    chosen = [opponent in LEARNING.get(agent, []) for agent, opponent in pairs]
    fixed = played["opponent_seed"] == UNSEEDED
    same = fixed | (played["opponent_seed"] == played["agent_seed"])
    learners = played[same & np.array(chosen)]
    return learners.assign(agent=learners["agent"].map(learner_name))


def varied(played: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Matches of a variant of Advantage Alignment."""
    own = played[played["agent"] == "advantage_alignment"]
    names = own["opponent"].replace("advantage_alignment", variant)
    return own.assign(agent=variant, opponent=names, payoff=own["payoff"] + VARIANTS[variant])


def disturbed(played: pd.DataFrame) -> pd.DataFrame:
    """Self-play under every condition; a slip in the third round costs a half, and trembles a fifth."""
    own = played[played["agent"] == played["opponent"]]
    own = own[own["agent_seed"] == own["opponent_seed"]]
    kept = {Condition.ONE_SLIP: 0.5, Condition.TREMBLES: 0.8, Condition.SHUFFLED: 0.6}
    parts = []
    for condition in conditions_in(type(named_game(own["game"].iloc[0]))):
        part = own.assign(condition=condition.value, slip_round=3)
        part["payoff"] *= kept.get(condition, 1.0)
        points: Any = [
            [payoff, payoff] + [payoff * kept.get(condition, 1.0)] * 8 for payoff in own["payoff"]
        ]
        parts.append(part.assign(points=points, points_opponent=points))
    return pd.concat(parts, ignore_index=True)


def beyond(played: pd.DataFrame) -> pd.DataFrame:
    """Matches of agents with themselves, with a cooperator and with a defector, as if all games were matrix games."""
    roles = {"welfare_maximising": "always_cooperate", "greedy": "always_defect"}
    met = played.assign(opponent=played["opponent"].replace(roles))
    itself = (met["agent"] == met["opponent"]) & (met["agent_seed"] == met["opponent_seed"])
    chosen = itself | met["opponent"].isin(roles.values())
    trained = met["agent"].isin([*ALGORITHMS, "warm_start"])
    return met[chosen & trained].assign(cooperation=met["welfare_share"])


def experiment(folder: Path) -> Tables:
    """The tables of the experiment."""

    def saved(name: str, frame: pd.DataFrame) -> Path:
        frame.to_parquet(folder / name)
        return folder / name

    runs = {}
    for game, algorithm, seed in product(GAMES, ALGORITHMS, SEEDS):
        runs[game, MODEL, algorithm, seed] = folder / f"{game}-{algorithm}-{seed}.csv"
        metrics(game, algorithm, seed).to_csv(runs[game, MODEL, algorithm, seed], index=False)
    against = {
        (game, MODEL, algorithm, opponent, seed): path
        for (game, _, algorithm, seed), path in runs.items()
        for opponent in LEARNING.get(algorithm, [])
        if game != "split" or opponent in ("naive", "warm_start")
    }
    pairs = {}
    for game, (first, second), seed in product(GAMES, PAIRS, SEEDS):
        path = folder / f"{game}-{first}-{second}-{seed}.csv"
        sides = (runs[game, MODEL, first, seed], runs[game, MODEL, second, SEEDS[0]])
        paired(*sides).to_csv(path, index=False)
        pairs[game, MODEL, first, second, seed] = path
    played = {game: matches(game) for game in GAMES}
    files = {(game, MODEL): saved(game, frame) for game, frame in played.items()}
    learners = {
        (game, MODEL): saved(f"{game}-learners", learned(frame)) for game, frame in played.items()
    }
    variants = {
        (game, MODEL, variant): saved(f"{game}-{variant}", varied(played[game], variant))
        for game, variant in product(GAMES, VARIANTS)
    }
    slips = {
        (game, MODEL): saved(f"{game}-slips", disturbed(frame)) for game, frame in played.items()
    }
    varieties = {
        (game, MODEL, name): saved(f"{game}-{name}", beyond(played[game]))
        for game, name in product(GAMES, VARIATIONS)
    }
    talks = {source: path for source, path in slips.items() if source[0] == "trust_and_split"}
    compared = {(*key, "advantage_alignment"): path for key, path in variants.items()}
    algorithms = {(*source, name): path for source, path in files.items() for name in ALGORITHMS}
    standard = {(*source, "advantage_alignment"): path for source, path in files.items()}
    return {
        "learning_curves": tables.learning_curves(runs),
        "cross_play": tables.cross_play(files),
        "fingerprints": tables.fingerprints(files),
        "distributions": tables.distributions(files),
        "learning_against_fixed": tables.learning_curves(against),
        "exploitability": tables.exploitability(learners),
        "ablations": tables.ablations(standard, compared),
        "rivals": tables.rivals(algorithms, variants),
        "two_learners": tables.two_learners(pairs),
        "noise": disturbances.noise(slips),
        "messages": disturbances.messages(talks),
        "generalisation": generalisation(varieties),
        "population": population(files),
        "prior_sweep": prior_sweep(
            {
                (*source, share): path
                for source, path in files.items()
                for share in ("0", "0.2", "0.6")
            }
        ),
    }


def module_of(name: str) -> Any:
    return import_module(f"social_dilemmas.report.figures.{FIGURES[name].module}")


def draw(name: str, table: pd.DataFrame) -> Figure:
    """A figure of the catalogue, from the table of what it shows."""
    figure: Figure = module_of(name).draw(table)
    return figure


def declared(game: str) -> dict[str, Any]:
    return {"name": game, "rounds": 10, "rules": {}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    declare(map(declared, GAMES))
    yield experiment(tmp_path_factory.mktemp("experiment"))
    declare([])


@pytest.fixture(scope="module")
def shown(made: Tables) -> Tables:
    """The table of every figure."""
    return {
        name: module_of(name).table(*map(made.__getitem__, entry.tables), **entry.arguments)
        for name, entry in DRAWN.items()
    }


def chosen(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The rows with these values."""
    return table[(table[list(values)] == pd.Series(values)).all(axis="columns")]


def one_game(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that takes least time to draw."""
    return table[table["game"] == "trust_and_split"].reset_index(drop=True)


def texts_of(figure: Figure) -> list[Text]:
    """All text that stands in a figure; labels of ticks beyond the ends of an axis don't."""
    figure.draw_without_rendering()
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    shown = [text for text in found if text.get_visible() and text.get_text().strip()]
    return [text for text in shown if text not in beyond]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts_of(figure)]


def titles(figure: Figure) -> list[str]:
    """Titles of all visible panels."""
    found = [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]
    return [title for title in found if title]


def thick(axis: Axes, agent: str, agents: tuple[str, ...] = ()) -> list[Line2D]:
    """An agent's lines that show means."""
    colour = style.colours(agents or [agent])[agent]
    return [line for line in axis.lines if line.get_color() == colour and not line.get_alpha()]


@pytest.mark.parametrize("name", DRAWN)
def test_saving_again_gives_the_same_bytes(name: str, shown: Tables, tmp_path: Path) -> None:
    """Also from the numbers that stand beside the figure, read from their file."""
    numbers = one_game(shown[name])
    numbers.to_csv(tmp_path / "numbers.csv", index=False)
    again = pd.read_csv(tmp_path / "numbers.csv")
    suffixes = (".pdf", ".svg", ".png") if name == "proposals" else (".svg",)
    for folder, table in (("first", numbers), ("again", again)):
        (tmp_path / folder).mkdir()
        outputs = [tmp_path / folder / f"{name}{suffix}" for suffix in suffixes]
        style.save(draw(name, table), outputs)
    for output in outputs:
        first = (tmp_path / "first" / output.name).read_bytes()
        assert first == output.read_bytes(), output.name
        assert len(first) > 5000


@pytest.mark.parametrize("name", [*DRAWN, "fingerprints, backwards"])
def test_no_text_lies_over_other_text_or_leaves_the_figure(name: str, shown: Tables) -> None:
    name, _, backwards = name.partition(", ")
    figure = draw(name, shown[name][::-1] if backwards else shown[name])
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text: text.get_window_extent(renderer) for text in texts_of(figure)}
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text.get_text()
    for (first, box), (second, other) in combinations(boxes.items(), 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (first.get_text(), second.get_text())


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "naive_learning_curves"])
def test_several_models_have_panels_of_their_own(name: str, shown: Tables) -> None:
    table = one_game(shown[name])
    both = draw(name, pd.concat([table, table.assign(model="another")], ignore_index=True))
    assert len(titles(both)) == 2 * len(titles(draw(name, table)))
    assert any("another" in text for text in words(both))
    if name in ("learning_curves", "fingerprints", "cross_play"):  # a panel for each game
        assert titles(draw(name, shown[name])) == [game_title(game) for game in GAMES]


def test_the_mean_and_the_range_are_those_of_the_seeds() -> None:
    rows = [("m", "split", "naive", s, 3, "payoff", v) for s, v in [(0, 1.0), (1, 2.0), (2, 6.0)]]
    rows.append(("m", "split", "naive", 0, 4, "payoff", np.nan))
    columns = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
    found = summarise(pd.DataFrame(rows, columns=columns), "payoff").set_index("line")["value"]
    seeds = {"seed 0": 1, "seed 1": 2, "seed 2": 6}
    assert found.to_dict() == seeds | {MEAN: 3, "lowest seed": 1, "highest seed": 6}


@pytest.mark.parametrize("values", [{}, {(0, 0): 2.0, (1, 1): 3.0}])
def test_learning_curves_of_little_that_was_observed(values: dict[tuple[int, int], float]) -> None:
    """As where agents hardly ever meet themselves: runs without a common iteration have no mean."""
    rows = [
        ("m", "split", "naive", seed, iteration, "payoff", values.get((seed, iteration), np.nan))
        for seed, iteration in product(range(2), range(2))
    ]
    columns = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
    curves = module_of("learning_curves").table(pd.DataFrame(rows, columns=columns))
    assert {*curves["line"]} == {REFERENCE, *(f"seed {seed}" for seed, _ in values)}
    figure = draw("learning_curves", curves)
    assert titles(figure) == [game_title("split")]
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert len(drawn) == 2 + len(values)  # with both references


def test_learning_curves_are_drawn_through_the_numbers_of_the_table(shown: Tables) -> None:
    table = shown["learning_curves"]
    figure = draw("learning_curves", table)
    wanted = chosen(table, game=GAMES[0], algorithm="naive", line=MEAN)
    (line,) = thick(figure.axes[0], "naive")
    np.testing.assert_array_equal(line.get_ydata(), wanted["value"])
    np.testing.assert_array_equal(line.get_xdata(), wanted["iteration"])
    texts = words(figure)
    assert texts.count("both greedy") == texts.count("welfare-optimal") == len(GAMES)
    assert "Payoff per round (points)" in texts
    assert {"Naive RL", "Sum of rewards", "Advantage Alignment"} <= set(texts)


def test_reference_payoffs_are_those_of_the_rules(shown: Tables) -> None:
    lines = chosen(shown["learning_curves"], line=REFERENCE)
    found = lines.pivot(index="game", columns="algorithm", values="value")
    assert found["both greedy"].to_list() == pytest.approx([1, 82.5, 27.5], rel=0.02)
    assert found["welfare-optimal"].to_list() == pytest.approx(list(BEST.values()), rel=0.02)


def test_naive_learning_curves_are_those_of_naive_play_by_model(shown: Tables) -> None:
    """One panel for each game; with several models there is a colour for each."""
    table, every = shown["naive_learning_curves"], shown["learning_curves"]
    is_reference = table["line"] == REFERENCE
    curves, naive = table[~is_reference], chosen(every, algorithm="naive")["value"]
    np.testing.assert_array_equal(np.sort(curves["value"]), np.sort(naive))
    assert set(curves["model"]) == {MODEL}
    assert set(table.loc[is_reference, "model"]) == {"both greedy", "welfare-optimal"}
    assert is_reference.sum() == 2 * len(GAMES)
    assert "Naive RL" in words(draw("naive_learning_curves", table))
    another = curves.assign(model="another", value=curves["value"] + 1)
    figure = draw("naive_learning_curves", pd.concat([table, another], ignore_index=True))
    assert {"Embedded", "Another"} <= set(words(figure))
    for part in (curves, another):
        (line,) = thick(figure.axes[0], part["model"].iloc[0], ("another", MODEL))
        wanted = chosen(part, game=GAMES[0], line=MEAN)
        np.testing.assert_array_equal(line.get_ydata(), wanted["value"])


def test_both_learners_of_a_pair_are_drawn_through_the_numbers_of_the_table(shown: Tables) -> None:
    """In the colour of their algorithm, the second one dashed."""
    table = shown["two_learners"]
    figure = draw("two_learners", table)
    for axis, (first, second) in zip(figure.axes, PAIRS, strict=False):
        means = thick(axis, first) + thick(axis, second)
        lines: dict[Any, Line2D] = {line.get_linestyle(): line for line in means}
        rows = chosen(table, game=GAMES[0], pair=f"{first}-vs-{second}", line=MEAN)
        for learner, style_of_line in (("first", "-"), ("second", "--")):
            wanted = chosen(rows, learner=learner)
            np.testing.assert_array_equal(lines[style_of_line].get_ydata(), wanted["value"])
        assert lines["--"].get_color() == style.COLOURS[second]
    assert titles(figure)[:2] == ["Naive RL and\nNaive RL", "Advantage Alignment and\nNaive RL"]
    assert words(figure).count("both greedy") == len(GAMES) * len(PAIRS)


def test_invalid_replies_are_shares_of_rounds(shown: Tables) -> None:
    table = shown["invalid_replies"]
    assert set(table["algorithm"]) == {*ALGORITHMS}
    assert table.loc[(table["iteration"] == 0) & (table["line"] == MEAN), "value"].min() > 0.2
    figure = draw("invalid_replies", table)
    assert "Share of rounds" in words(figure)
    assert all(axis.get_ylim()[1] >= table["value"].max() for axis in figure.axes)
    none = draw("invalid_replies", table.assign(value=0.0))  # as with masks: no reply is invalid
    assert none.axes[0].get_ylim()[1] == pytest.approx(0.1)


def test_cells_hold_the_numbers_of_the_table(shown: Tables) -> None:
    """The diagonal is self-play."""
    table = shown["cross_play"]
    itself = table["agent"] == table["opponent"]
    assert set(table.loc[itself, "seed_relation"]) == {"same seed"}
    assert set(table.loc[~itself, "seed_relation"]) == {"all"}
    texts = words(draw("cross_play", table))
    dilemma = table[table["game"] == GAMES[0]]
    assert len(dilemma) == (4 + len(SCRIPTED[GAMES[0]])) ** 2
    for mean, low, high in dilemma[["mean", "low", "high"]].to_numpy().tolist():
        interval = "" if np.isnan(low) else f"\n{low:.2f}–{high:.2f}"
        assert f"{mean:.2f}{interval}" in texts


def test_behaviours_are_those_of_trained_agents_with_everyone(made: Tables, shown: Tables) -> None:
    """Coins by hand are those of self-play."""
    keys = ["game", "agent", "opponent", "seed_relation", "quantity"]
    measured = made["fingerprints"].set_index(keys)["mean"]
    for name in ("fingerprints", "proposals"):
        table = shown[name]
        assert set(table["agent"]) == {*ALGORITHMS, "warm_start"}
        by_hand = table["quantity"].isin(["coins_upper_hand", "coins_lower_hand"])
        own = by_hand & (name == "proposals")
        assert (table["opponent"] == table["agent"].where(own, "everyone")).all()
        assert (table["seed_relation"] == own.map({True: "same seed", False: "all"})).all()
        np.testing.assert_array_equal(
            table.set_index(keys)["mean"], measured[table.set_index(keys).index]
        )
    assert len(shown["proposals"]) == 4 * 5
    assert "truthfulness" not in set(shown["fingerprints"]["quantity"])


def test_games_are_known_by_their_kind(made: Tables) -> None:
    """A game may have any name."""
    declare([*map(declared, GAMES), {**declared("mine"), "kind": "trust_and_split"}])
    renamed = {name: table.replace("trust_and_split", "mine") for name, table in made.items()}
    for name, sources in {
        "proposals": ("fingerprints",),
        "truthfulness": ("learning_curves", "fingerprints"),
    }.items():
        table = module_of(name).table(*(renamed[source] for source in sources))
        assert set(table["game"]) == {"mine"}


def test_any_trained_agents_are_the_corners_of_the_population(made: Tables) -> None:
    """Those that nobody gave a colour, too; the warm start and scripted players come last."""
    table = made["population"].replace("sum_of_rewards", "of_my_own")
    table = table[table["game"] == GAMES[0]]
    names = module_of("population").agents_of(table)
    assert set(names[:3]) == {"naive", "of_my_own", "advantage_alignment"}
    assert set(names[3:]) >= {"warm_start", "always_defect"}


def test_truthfulness_in_training_and_after_it(made: Tables, shown: Tables) -> None:
    table = shown["truthfulness"]
    assert set(table["line"]) >= {MEAN, "seed 42", "cross-play"}
    after = table[table["line"] == "cross-play"].set_index(["algorithm", "opponent"])["value"]
    opponents = {"itself", "everyone", *SCRIPTED["trust_and_split"]}
    assert set(after.index) == {*product([*ALGORITHMS, "warm_start"], opponents)}
    keys = {"quantity": "truthfulness", "seed_relation": "same seed"}
    own = chosen(made["fingerprints"], **keys, agent="advantage_alignment")["mean"]
    assert [after["advantage_alignment", "itself"]] == list(own)


def test_distributions_show_every_match_and_the_mean_of_every_seed(shown: Tables) -> None:
    table = one_game(shown["distributions"])
    (axis,) = draw("distributions", table).axes
    points = np.concatenate([np.asarray(each.get_offsets())[:, 0] for each in axis.collections])
    assert sorted(points) == pytest.approx(sorted(table["value"]))
    means = {np.asarray(line.get_xdata())[0] for line in axis.lines} - {0, 1}  # two are references
    assert means == {*table.groupby(["agent", "seed"])["value"].mean()}


def test_a_note_stands_above_a_figure(shown: Tables) -> None:
    figure = draw("distributions", one_game(shown["distributions"]))
    style.add_note(figure, "")
    assert figure.get_suptitle() == ""
    for words in ("Above.", "Settings differ."):
        style.add_note(figure, words)
    assert figure.get_suptitle() == "Above.\nSettings differ."


def test_learning_against_fixed_shows_both_sides(shown: Tables) -> None:
    table = shown["learning_against_fixed"]
    rows = chosen(
        table, game="trust_and_split", opponent="warm_start", algorithm="naive", line=MEAN
    )
    naive = rows.pivot(index="iteration", columns="side", values="value")
    np.testing.assert_allclose(naive["opponent"], 0.8 * naive["learner"])
    figure = draw("learning_against_fixed", table)
    every = ["Warm start", "Naive RL", "Sum of rewards", "Advantage Alignment", "Random"]
    assert titles(figure) == [*every, *every[:2], *every]
    solid, dashed = thick([axis for axis in figure.axes if axis.get_visible()][-5], "naive")
    np.testing.assert_array_equal(solid.get_ydata(), naive["learner"])
    np.testing.assert_array_equal(dashed.get_ydata(), naive["opponent"])
    assert (solid.is_dashed(), dashed.is_dashed()) == (False, True)


def test_learning_against_one_opponent_alone(shown: Tables) -> None:
    alone, every = shown["learning_against_alignment"], shown["learning_against_fixed"]
    wanted = every[every["opponent"] == "advantage_alignment"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, wanted)
    found = titles(draw("learning_against_alignment", alone))
    assert found == [game_title(game) for game in ("prisoners_dilemma", "trust_and_split")]


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


def labels(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_exploitability_shows_what_both_sides_get(shown: Tables) -> None:
    table = shown["exploitability"]
    assert set(table["agent"]) == {learner_name(algorithm) for algorithm in LEARNING}
    axis = draw("exploitability", table).axes[0]
    wanted = {
        (mean, style.COLOURS[agent.removesuffix("_learner")], quantity == "payoff")
        for game, agent, quantity, mean in table[["game", "agent", "quantity", "mean"]].to_numpy()
        if game == GAMES[0]
    }
    found = points(axis)
    assert len(found) == 2 * sum(map(len, LEARNING.values()))
    assert {(x, colour, filled) for x, _, colour, filled in found} == wanted
    every = ["Warm start", "Naive RL", "Sum of rewards", "Advantage Alignment", "Random"]
    assert labels(axis) == every
    places = {y for _, y, colour, _ in found if colour == style.COLOURS["naive"]}
    assert sorted(map(round, places)) == [0, 1, 2, 3, 4]
    assert len({y for _, y, _, _ in found}) == 7  # two learners never lie on each other


def test_ablations_are_filled_where_they_matter(shown: Tables) -> None:
    table = shown["ablations"]
    axis = draw("ablations", table).axes[0]
    itself = chosen(table, game=GAMES[0], opponent="itself", quantity="payoff")
    assert list(itself["agent"]) == ["advantage_alignment", *VARIANTS]
    np.testing.assert_allclose([x for x, *_ in points(axis)], itself["mean"])
    assert [y for _, y, _, _ in points(axis)] == [0, 1, 2, 3]
    assert [filled for *_, filled in points(axis)] == [True, True, False, True]
    assert points(axis)[0][2] == style.COLOURS["advantage_alignment"]
    assert labels(axis) == ["Advantage Alignment", "No group baseline", "Critic", "With buffer"]


def test_ablations_show_self_play_greedy_players_and_cooperators(shown: Tables) -> None:
    table = shown["ablations"]
    for game, rows in table.groupby("game"):
        greedy, kind = (
            ("always_defect", "always_cooperate") if game == GAMES[0] else SCRIPTED["split"][:2]
        )
        payoffs = {(name, "payoff") for name in ("itself", greedy, kind)}
        found = set(zip(rows["opponent"], rows["quantity"], strict=True))
        assert found == payoffs | {(kind, "payoff_opponent")}
    # a game without such players has the first panel only
    alone = draw("ablations", table[table["opponent"] == "itself"])
    assert [axis.get_visible() for axis in alone.axes] == 3 * [True, False, False, False]


def test_rivals_are_shown_with_every_run(shown: Tables) -> None:
    table = shown["rivals"]
    assert set(table["agent"]) == {*ALGORITHMS, *VARIANTS}
    axis = draw("rivals", table).axes[0]
    rows = chosen(table, game=GAMES[0]).set_index(["agent", "opponent"])
    means, runs = set(), set()
    for agent in rows.index.unique("agent"):
        sides = [rows.loc[(agent, side)] for side in ("itself", "worst_case")]
        means.add(tuple(side["mean"] for side in sides))
        runs |= {*zip(*(map(float, side["by_seed"].split()) for side in sides), strict=True)}
    drawn = [line for line in axis.lines if line.get_marker() not in ("None", "")]
    found = [np.asarray(line.get_xydata()).tolist() for line in drawn]
    assert {tuple(each) for line in found for each in line if len(line) == 1} == means
    assert {tuple(each) for line in found for each in line if len(line) > 1} == runs
    assert sum(map(len, found)) == (1 + len(SEEDS)) * (len(ALGORITHMS) + len(VARIANTS))


def test_new_algorithms_get_a_look_of_their_own() -> None:
    agents = ["naive", "another", "yet_another"]
    for looks in (style.colours, style.markers):
        assert len(set(looks(agents).values())) == len(set(looks([]).values())) + 2
        assert looks(agents)["naive"] == looks(["naive"])["naive"]


def test_drawing_leaves_the_settings_of_others_alone(shown: Tables) -> None:
    before = dict(rcParams)
    draw("proposals", shown["proposals"])
    assert dict(rcParams) == before


def test_a_user_s_own_look_changes_no_figure(shown: Tables, tmp_path: Path) -> None:
    taste: Any = {
        "figure.facecolor": "black",
        "text.usetex": True,
        "axes.prop_cycle": cycler(color="r"),
    }
    style.save(draw("proposals", shown["proposals"]), [tmp_path / "first.svg"])
    with rc_context(taste | {"savefig.facecolor": "black", "image.cmap": "gray"}):
        style.save(draw("proposals", shown["proposals"]), [tmp_path / "again.svg"])
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
