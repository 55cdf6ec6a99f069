"""Cross-play: agents against agents, trained or scripted, in both seats, in one process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import torch
from peft import PeftModel

from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import game_of
from social_dilemmas.games.game import SEATS, Game, Match, Turn, welfare_share
from social_dilemmas.policy.adapters import NO_ADAPTER, check_adapter, folded
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.sampler import LanguageModelPlayer
from social_dilemmas.randomness import derive_seed, stream
from social_dilemmas.run.progress import Progress

UNSEEDED = -1  # in place of a training seed: the warm start, scripted players


@dataclass(frozen=True)
class Agent:
    """An entrant: the model under an adapter, a player of its own, or with neither the model itself."""

    name: str
    seed: int = UNSEEDED
    adapter: Path | None = None
    player: Player | None = None


@dataclass(frozen=True)
class Pairing:
    """A match to be played, with the agents of seats 0 and 1; `index` is its number among the pair's matches."""

    index: int
    match: Match
    agents: tuple[Agent, Agent]

    def stream(self, game: str, seat: int) -> Random:
        """The random stream of a seat's replies."""
        names = [(agent.name, agent.seed) for agent in self.agents]
        return stream("cross-play", game, *names, self.index, seat)


def scripted_agents(game: Game, names: Iterable[str]) -> list[Agent]:
    """Scripted players as agents."""
    return [Agent(name, player=scripted_player(game.kind, name)) for name in names]


def all_pairs(agents: Sequence[Agent]) -> list[tuple[Agent, Agent]]:
    """Every agent with every other and with itself."""
    return list(combinations_with_replacement(agents, 2))


def own_pairs(agents: Sequence[Agent]) -> list[tuple[Agent, Agent]]:
    """Every trained agent with itself and with every scripted player."""
    fixed = [agent for agent in agents if agent.player is not None]
    trained = [agent for agent in agents if agent.adapter is not None]
    return [(agent, other) for agent in trained for other in (agent, *fixed)]


def play_pairs(
    *,
    model: Path,
    pairs: Sequence[tuple[Agent, Agent]],
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: Path,
) -> None:
    """Play all pairs and write one row per match and seat as parquet.

    Every pair meets in the same `matches` matches: half of them with swapped seats under the same chance events.

    Args:
        model: directory of the model that all adapters belong to.
        pairs: who meets whom.
        game: the game's entry in the config.
        settings: `matches` for each pair, `batch` of them at a time, and how replies are sampled.
        output: parquet file. Columns: game, agent, agent_seed, opponent, opponent_seed, match, seat, payoff and
            payoff_opponent (points a round), welfare_share (of both together), and for each behaviour of `agent` its
            mean over the match and, with the ending `_count`, how often it was observed.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model.
    """
    rules = game_of(game)
    paths = {agent.adapter for pair in pairs for agent in pair if agent.adapter is not None}
    names: dict[Path | None, str] = {path: f"agent-{i}" for i, path in enumerate(sorted(paths))}
    for path in paths:
        check_adapter(path, model)
    language_model = load_model(model)
    masks = language_model.masks(rules)
    mixed = with_adapters(language_model.model, names)
    pairings = list(_pairings(rules, pairs, settings["matches"]))
    pairing_of = {pairing.match: pairing for pairing in pairings}
    rows: list[dict[str, Any]] = []
    with Progress(len(pairings), f"{game['name']}, matches") as progress:
        for first in range(0, len(pairings), settings["batch"]):
            batch = pairings[first : first + settings["batch"]]
            seats = {
                (pairing.match, seat): names.get(pairing.agents[seat].adapter, NO_ADAPTER)
                for pairing in batch
                for seat in SEATS
            }
            player = LanguageModelPlayer(
                mixed or language_model.model,
                language_model.chat,
                masks,
                lambda turn: pairing_of[turn.match].stream(game["name"], turn.seat),
                temperature=settings["temperature"],
                max_new_tokens=settings["max_new_tokens"],
                adapter_of=partial(_adapter_of, seats) if mixed else None,
            )
            with torch.no_grad(), folded(mixed, settings["fold_adapter"], {*seats.values()}):
                play(
                    [pairing.match for pairing in batch],
                    [
                        (first.player or player, second.player or player)
                        for first, second in (pairing.agents for pairing in batch)
                    ],
                )
            rows += [
                _row(game["name"], rules, pairing, seat) for pairing in batch for seat in SEATS
            ]
            progress.advance(steps=len(batch))
    pd.DataFrame(rows).to_parquet(output, index=False)


def _adapter_of(seats: Mapping[tuple[Match, int], str], turn: Turn) -> str:
    return seats[turn.match, turn.seat]


def with_adapters(model: Any, names: Mapping[Path | None, str]) -> PeftModel | None:
    """The model with all of these adapters, by name; None where there are none."""
    mixed: PeftModel | None = None
    for path, name in names.items():
        if mixed is None:
            mixed = PeftModel.from_pretrained(model, str(path), adapter_name=name).eval()
        else:
            mixed.load_adapter(str(path), adapter_name=name)
    return mixed


def _pairings(game: Game, pairs: Sequence[tuple[Agent, Agent]], matches: int) -> Iterator[Pairing]:
    for first, second in pairs:
        for index in range(matches):
            match = game.start(derive_seed("cross-play match", index // 2))
            yield Pairing(index, match, (first, second) if index % 2 == 0 else (second, first))


def _row(name: str, game: Game, pairing: Pairing, seat: int) -> dict[str, Any]:
    agent, opponent = pairing.agents[seat], pairing.agents[1 - seat]
    match = pairing.match
    own, other = sum(match.rewards(seat)), sum(match.rewards(1 - seat))
    observed: dict[str, list[float]] = {behaviour: [] for behaviour in game.behaviours}
    for behaviour, value in game.observe(match, seat):
        observed[behaviour].append(value)
    row: dict[str, Any] = {
        "game": name,
        "agent": agent.name,
        "agent_seed": agent.seed,
        "opponent": opponent.name,
        "opponent_seed": opponent.seed,
        "match": pairing.index,
        "seat": seat,
        "payoff": own / len(match.history),
        "payoff_opponent": other / len(match.history),
        "welfare_share": welfare_share(own + other, game.welfare_optimum(match)),
    }
    for behaviour, values in observed.items():
        row[behaviour] = sum(values) / len(values) if values else float("nan")
        row[f"{behaviour}_count"] = len(values)
    return row
