"""Cross-play: every agent against every other, trained or scripted, in both seats, in one process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from peft import PeftModel

from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Game, Match, Turn
from social_dilemmas.generation.model import load_model
from social_dilemmas.generation.sampler import LanguageModelPlayer
from social_dilemmas.learning.adapters import NO_ADAPTER, check_adapter
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.players.scripted import scripted_player
from social_dilemmas.progress import Progress
from social_dilemmas.randomness import derive_seed

UNSEEDED = -1  # in place of a training seed: the warm start, scripted players


@dataclass(frozen=True)
class Agent:
    """An entrant: the model under an adapter, or a scripted player."""

    name: str
    seed: int
    adapter: str | None
    player: Player | None


@dataclass(frozen=True)
class Pairing:
    """A match to be played, with the agents of seats 0 and 1; `index` is its number among the pair's matches."""

    index: int
    match: Match
    agents: tuple[Agent, Agent]


def run_cross_play(
    *,
    model: Path,
    adapters: Sequence[tuple[str, int, Path]],
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: Path,
) -> None:
    """Play all pairs and write one row per match and seat as parquet.

    Every pair of agents, an agent with itself included, meets in the same `matches` matches: half of them with
    swapped seats under the same chance events.

    Args:
        model: directory of the warm-started model, an entrant itself.
        adapters: algorithm, seed and directory of every trained agent.
        game: the game's entry in the config.
        settings: `matches` for each pair, the scripted `opponents`, and how replies are sampled.
        output: parquet file. Columns: game, agent, agent_seed, opponent, opponent_seed, match, seat, payoff and
            payoff_opponent (points a round), welfare_share (of both together), and for each behaviour of `agent` its
            mean over the match and, with the ending `_count`, how often it was observed.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model.
    """
    rules = build_game(game["name"], game["rounds"], game["rules"])
    for _, _, adapter in adapters:
        check_adapter(adapter, model)
    language_model = load_model(model)
    agents = [Agent("warm_start", UNSEEDED, NO_ADAPTER, None)]
    mixed = None
    for algorithm, seed, path in adapters:
        name = f"{algorithm}-{seed}"
        if mixed is None:
            mixed = PeftModel.from_pretrained(
                language_model.model, str(path), adapter_name=name
            ).eval()
        else:
            mixed.load_adapter(str(path), adapter_name=name)
        agents.append(Agent(algorithm, seed, name, None))
    agents += [
        Agent(name, UNSEEDED, None, scripted_player(rules.name, name))
        for name in settings["opponents"]
    ]
    masks = language_model.masks(rules)
    pairings = list(_pairings(rules, agents, settings["matches"]))
    rows: list[dict[str, Any]] = []
    with Progress(len(pairings), f"{rules.name}, cross-play") as progress:
        for first in range(0, len(pairings), settings["batch"]):
            batch = pairings[first : first + settings["batch"]]
            generator = torch.Generator(language_model.model.device)
            generator.manual_seed(derive_seed("cross-play", rules.name, first))
            names = {
                (pairing.match, seat): pairing.agents[seat].adapter or NO_ADAPTER
                for pairing in batch
                for seat in SEATS
            }
            player = LanguageModelPlayer(
                mixed or language_model.model,
                language_model.chat,
                masks,
                generator,
                temperature=settings["temperature"],
                max_new_tokens=settings["max_new_tokens"],
                adapter_of=partial(_adapter_of, names) if mixed else None,
            )
            play(
                [pairing.match for pairing in batch],
                [(a.player or player, b.player or player) for a, b in (p.agents for p in batch)],
            )
            rows += [_row(rules, pairing, seat) for pairing in batch for seat in SEATS]
            progress.advance(steps=len(batch))
    pd.DataFrame(rows).to_parquet(output, index=False)


def _adapter_of(names: Mapping[tuple[Match, int], str], turn: Turn) -> str:
    return names[turn.match, turn.seat]


def _pairings(game: Game, agents: Sequence[Agent], matches: int) -> Iterator[Pairing]:
    for first, second in combinations_with_replacement(agents, 2):
        for index in range(matches):
            match = game.start(derive_seed("cross-play match", index // 2))
            yield Pairing(index, match, (first, second) if index % 2 == 0 else (second, first))


def _row(game: Game, pairing: Pairing, seat: int) -> dict[str, Any]:
    agent, opponent = pairing.agents[seat], pairing.agents[1 - seat]
    match = pairing.match
    own, other = sum(match.rewards(seat)), sum(match.rewards(1 - seat))
    observed: dict[str, list[float]] = {name: [] for name in game.behaviours}
    for name, value in game.observe(match, seat):
        observed[name].append(value)
    row: dict[str, Any] = {
        "game": game.name,
        "agent": agent.name,
        "agent_seed": agent.seed,
        "opponent": opponent.name,
        "opponent_seed": opponent.seed,
        "match": pairing.index,
        "seat": seat,
        "payoff": own / len(match.history),
        "payoff_opponent": other / len(match.history),
        "welfare_share": (own + other) / game.welfare_optimum(match),
    }
    for name, values in observed.items():
        row[name] = sum(values) / len(values) if values else float("nan")
        row[f"{name}_count"] = len(values)
    return row
