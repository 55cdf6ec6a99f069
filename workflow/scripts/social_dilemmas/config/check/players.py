"""Players behind an API: names that somebody else has, and addresses that are none or hold secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from social_dilemmas.agents.agent import WARM_START, is_taken
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import contents
from social_dilemmas.config.mistakes import Mistake, Place, words
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.games import game_names, kind_of


def api_player(
    place: Place, player: ApiPlayer, config: Config, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """A name that another agent has, and addresses that are none or hold secrets."""
    agents = {WARM_START, *contents.algorithms(config)}
    for game in config.games:
        if kind_of(game.entry) in game_names():
            agents.update(scripted_player_names(kind_of(game.entry)))
    if player.name in agents or is_taken(player.name):
        sentence = (
            f"api_players: {player.name!r} already is another agent's name, or one that tables use"
        )
        yield Mistake((*place, "name"), sentence)
    yield from address((*place, "base_url"), player.base_url, "https://api.openai.com/v1", said)
    if (player.prompt_price is None) != (player.completion_price is None):
        both = "prompt_price and completion_price must both be given, or none of them"
        yield Mistake(place, f"{words(place, said)}: {both}")


def address(place: Place, given: str, example: str, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """An address of a server that is none, or holds secrets."""
    where = words(place, said)
    try:
        address = urlsplit(given)
        complete = address.scheme in ("http", "https") and bool(address.hostname)
        complete = complete and address.port != 0
    except ValueError:  # a port that is no number, a bracket left open
        complete = False
    if not complete:
        yield Mistake(place, f"{where} must be an address such as {example}, but is {given!r}")
    elif "@" in address.netloc or address.query or address.fragment:
        must = "must hold no user, password or query: a key belongs into the environment"
        yield Mistake(place, f"{where} {must}")
    elif re.search(r"[\s\x00-\x1f]", given):
        yield Mistake(place, f"{where} must hold no blanks or ends of lines, but is {given!r}")
    elif address.path.rstrip("/").endswith("/chat/completions"):
        yield Mistake(place, f"{where} must end before /chat/completions, but is {given!r}")
