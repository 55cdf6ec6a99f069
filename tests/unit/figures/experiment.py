"""A small experiment that never took place: payoffs and behaviours are drawn at random."""

from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import UNSEEDED, learner_name
from social_dilemmas.agents.conditions import Condition, conditions_in
from social_dilemmas.games import named_game
from social_dilemmas.statistics import disturbances, tables
from social_dilemmas.statistics.generalisation import generalisation
from social_dilemmas.statistics.population import population
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


def declared(game: str) -> dict[str, Any]:
    return {"name": game, "rounds": 10, "rules": {}}
