"""Play a game yourself at the terminal: `make play GAME=trust_and_split AGAINST=reciprocator`."""

import argparse
import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import WARM_START
from social_dilemmas.agents.human.player import play_in_terminal
from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.config.load import read_config
from social_dilemmas.config.settings import merge
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of
from social_dilemmas.games.game import Game
from social_dilemmas.randomness import derive_seed

WORTHY = ("reciprocator", "tit_for_tat")  # opponents for those who name none, as far as there are
ROUNDS = 10  # of a game that the configuration hasn't got

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
        config = read_config(options.scale)
        entry = game_entry(config, options.game)
        game = game_of(entry)
        results = Path("results", config["scale"])
        name = options.against or worthy(game)
        opponent = opponent_named(name, game, config, results, seed)
        play_in_terminal(
            game.start(derive_seed(seed, "play")),
            derive_seed(seed, "play", "seat") % 2,
            opponent,
            opponent_name=name,
        )
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # while a model is loaded
        sys.exit(130)


def game_entry(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The config's entry of a game, or any other game under its default rules.

    Raises:
        UserError: there is no such game.
    """
    entries = {entry["name"]: entry for entry in config["games"]}
    if name not in entries and name not in game_names():
        known = dict.fromkeys([*entries, *game_names()])
        raise UserError(f"unknown game {name!r}; known games: {', '.join(known)}")
    return entries.get(name, {"name": name, "rounds": ROUNDS, "rules": {}})


def worthy(game: Game) -> str:
    """A scripted player that is worth playing against."""
    names = scripted_player_names(game.name)
    return next((name for name in WORTHY if name in names), names[0])


def opponent_named(
    name: str, game: Game, config: Mapping[str, Any], results: Path, seed: int
) -> Player:
    """A scripted player, a player behind a server, or an agent that was trained here.

    Args:
        name: `reciprocator`, a name of `api_players`, `warm_start`, `advantage_alignment` (its first
            seed) or `advantage_alignment/seed-0`.
        game: the game.
        config: the configuration.
        results: the folder of the scale's results.
        seed: seed of what a trained agent chooses.

    Raises:
        UserError: there is no such opponent.
    """
    scripted = scripted_player_names(game.name)
    if name in scripted:
        return scripted_player(game.name, name)
    for entry in config["api_players"]:
        if entry["name"] == name:
            from social_dilemmas.agents.api.player import api_player

            player = api_player(entry, results / "api_players" / f"{name}.sqlite")
            player.check_reachable()
            return player
    agents = trained_agents(game.name, results)
    found = [agent for agent in agents if name in (agent, agent.split("/")[0])]
    if not found:
        api_players = [entry["name"] for entry in config["api_players"]]
        known = ", ".join([*scripted, *api_players, *agents])
        hint = "" if agents else f" (there are no trained agents of this game in {results})"
        raise UserError(f"{game.name}: unknown opponent {name!r}; known: {known}{hint}")
    return trained_player(*agents[found[0]], game, config, seed)


def trained_agents(game: str, results: Path) -> dict[str, tuple[Path, Path | None]]:
    """Model and adapter of every agent that is there, by its name; those of the first model only."""
    agents: dict[str, tuple[Path, Path | None]] = {}
    for model in sorted(results.glob(f"warm_start/{game}/*/model")):
        agents.setdefault(WARM_START, (model, None))
        folder = results / "training" / game / model.parent.name
        for adapter in sorted(folder.glob("*/seed-*/adapter")):
            agents.setdefault(str(adapter.parent.relative_to(folder)), (model, adapter))
    return agents


def trained_player(
    model: Path, adapter: Path | None, game: Game, config: Mapping[str, Any], seed: int
) -> Player:
    """The model, under the adapter if there is one.

    Raises:
        UserError: a file is missing or damaged, or they don't belong together.
    """
    print("Loading the model...", flush=True)
    os.environ.update(TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
    from peft import PeftModel
    from transformers.utils import logging

    from social_dilemmas.policy.adapters import check_adapter
    from social_dilemmas.policy.model import load_model
    from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order

    logging.disable_progress_bar()
    language_model = load_model(model)
    network = language_model.model
    if adapter is not None:
        check_adapter(adapter, model)
        network = PeftModel.from_pretrained(network, str(adapter)).eval()
    settings = merge(config["evaluation"], game_entry(config, game.name).get("evaluation", {}))
    return LanguageModelPlayer(
        network,
        language_model.chat,
        language_model.masks(game),
        streams_in_order(seed, "play", "opponent"),
        temperature=settings["temperature"],
        max_new_tokens=settings["max_new_tokens"],
    )


if __name__ == "__main__":
    main()
