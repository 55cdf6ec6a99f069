"""Play a game yourself at the terminal: `make play GAME=trust_and_split AGAINST=reciprocator`."""

import argparse
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.agents.human.player import play_in_terminal
from social_dilemmas.agents.roles import RECIPROCAL_PLAYERS
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import paths
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.pairings import agent_named
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.game import Game
from social_dilemmas.config.settings import merge
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of
from social_dilemmas.randomness import derive_seed

ROUNDS = 10  # of a game that the configuration doesn't have

with suppress(ImportError):  # lets the arrow keys edit what is typed
    import readline  # noqa: F401


def main() -> None:
    """Read the command line, and play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--game", default="trust_and_split", help="which game; default: %(default)s"
    )
    parser.add_argument("--against", default="", help="opponent; default: a reciprocating one")
    parser.add_argument(
        "--scale", default="laptop", help="config and results; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, help="seed of all chance events; default: a new one")
    options = parser.parse_args()
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(errors="replace")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    try:
        config = load_scale(options.scale)
        entry = game_entry(config, options.game)
        scripted = scripted_player_names(entry.name)
        name = options.against or next(
            (each for each in RECIPROCAL_PLAYERS if each in scripted), scripted[0]
        )
        model, opponent = opponent_named(config, entry.name, name)
        sampler = sampler_of(model, entry, config, seed) if opponent.on_model else None
        match = game_of(entry.entry).start(derive_seed(seed, "play"))
        seat = derive_seed(seed, "play", "seat") % 2
        play_in_terminal(match, seat, opponent, sampler)
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # while a model is loaded
        sys.exit(130)


def game_entry(config: Config, name: str) -> Game:
    """The configuration's entry of a game, or any other game under its default rules; UserError if there is none."""
    entries = {game.name: game for game in config.games}
    if name not in entries and name not in game_names():
        known = dict.fromkeys([*entries, *game_names()])
        raise UserError(f"unknown game {name!r}; known games: {', '.join(known)}")
    return entries.get(name) or Game(name=name, rounds=ROUNDS)


def opponent_named(config: Config, game: str, name: str) -> tuple[str, Agent]:
    """The model of an opponent, if it runs on one, and the opponent; an algorithm's is the first seed that was trained.

    Raises:
        UserError: there is no such opponent.
    """
    known = opponents(config, game)
    for each in (name, *(each for each in known if each.startswith(f"{name}/"))):
        if each in known:
            return known[each]
    nobody = f" (there are no trained agents of this game in {paths.results(config.scale)})"
    hint = "" if WARM_START in known else nobody
    raise UserError(f"{game}: unknown opponent {name!r}; known: {', '.join(known)}{hint}")


def opponents(config: Config, game: str) -> dict[str, tuple[str, Agent]]:
    """Everybody that `opponent_named` knows: scripted players, those of `api_players`, and agents whose files are
    there, whatever their seeds, such as `warm_start` and `naive/seed-0`; of several models the first.
    """
    found = {name: ("", Agent(name, Kind.SCRIPTED)) for name in scripted_player_names(game)}
    for entry in config.api_players:
        found[entry.name] = ("", agent_named(config, game, "", entry.name, 0))
    results = Path(paths.results(config.scale))
    for start in sorted(results.glob(paths.WARM_STARTED.format(game=game, model="*"))):
        model = start.parent.name
        found.setdefault(WARM_START, (model, Agent(WARM_START)))
        runs = paths.TRAINING.format(game=game, model=model, algorithm="*", seed="*")
        for adapter in sorted(results.glob(f"{runs}/adapter")):
            algorithm, seed = adapter.parts[-3:-1]
            agent = Agent(algorithm, adapter=str(adapter))
            found.setdefault(f"{algorithm}/{seed}", (model, agent))
    return found


def sampler_of(model: str, game: Game, config: Config, seed: int) -> Any:
    """Plays for agents that are the model; UserError if a file is missing or damaged."""
    print("Loading the model...", flush=True)
    os.environ.update(TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
    from transformers.utils import logging

    from social_dilemmas.policy.model import load_model
    from social_dilemmas.policy.policy import Policy
    from social_dilemmas.policy.sampler import PolicySampler, in_order

    logging.disable_progress_bar()
    place = paths.WARM_STARTED.format(game=game.name, model=model)
    language_model = load_model(Path(paths.results(config.scale)) / place)
    sampling = Evaluation(**merge({"opponents": []}, config.evaluation, game.evaluation))
    return PolicySampler(
        Policy(language_model, game_of(game.entry)),
        in_order(seed, "play", "opponent"),
        temperature=sampling.temperature,
        max_new_tokens=sampling.max_new_tokens,
    )


if __name__ == "__main__":
    main()
