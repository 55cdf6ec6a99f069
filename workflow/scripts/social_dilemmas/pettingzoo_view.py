"""Every game as a PettingZoo environment, so that other people's agents can play it.

An optional part: nothing else imports it or PettingZoo (Terry et al., PettingZoo: Gym for
multi-agent reinforcement learning, NeurIPS 2021).
"""

import string
from collections.abc import Mapping
from typing import Any

from gymnasium.spaces import Text
from pettingzoo import ParallelEnv

from social_dilemmas.games import build_game, game_of
from social_dilemmas.games.game import SEATS, Game, Match
from social_dilemmas.games.grammar import Choice, Grammar, Literal
from social_dilemmas.randomness import derive_seed

AGENTS = ("player_0", "player_1")
ROUNDS = 10  # where only a game's name is given
LONGEST_PROMPT = 20_000  # characters

Observations = dict[str, str]
Infos = dict[str, dict[str, Any]]


def parallel_env(game: str | Mapping[str, Any] | Game) -> "SocialDilemma":
    """The environment of a game: of its name, for 10 rounds under the default rules, or of its
    config entry. Raises UserError if there is no such game, or its rules make no sense.
    """
    if isinstance(game, str):
        return SocialDilemma(build_game(game, ROUNDS))
    return SocialDilemma(game if isinstance(game, Game) else game_of(game))


class SocialDilemma(ParallelEnv[str, str, str]):
    """A match of two players. An observation is a player's prompt, an action its reply.

    A player that isn't asked now observes the empty text, and its action doesn't matter. Rewards
    are the points of the round that has just ended, and 0 within a round. A reply that the game's
    grammar doesn't admit, or that has characters outside the action space, counts as the game's
    forfeit. The same seed gives the same chance events; a reset without a seed goes on to the next
    match of the last one.

    Each player's info holds `asked` (whether a reply is wanted now), `step` (what for), `round`,
    and `forfeit` (whether its last reply was invalid).
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.metadata = {"name": f"{game.name}_v0", "render_modes": []}
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self.match: Match | None = None
        self._seed = self._matches = 0
        longest = max(map(_longest_reply, game.grammars()))
        opening = max(len(turn.prompt) for turn in game.start(0).turns())
        characters = _characters(game)
        most = opening + LONGEST_PROMPT + longest
        self.observation_spaces = {agent: Text(most, **characters) for agent in AGENTS}
        self.action_spaces = {agent: Text(longest, **characters) for agent in AGENTS}

    def observation_space(self, agent: str) -> Text:
        """Texts of printable ASCII characters, and of those that the game's prompts have beside them."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Text:
        """Texts of the same characters, no longer than the game's longest reply."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start a new match; gives the observations and infos. There are no options."""
        if seed is not None:
            self._seed, self._matches = seed, 0
        self.match = self.game.start(derive_seed("pettingzoo", self._seed, self._matches))
        self._matches += 1
        self.agents = list(AGENTS)
        return _seen(self.match, forfeits=[False, False])

    def step(
        self, actions: Mapping[str, str]
    ) -> tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Take the replies; gives observations, rewards, terminations, truncations and infos."""
        if self.match is None or not self.agents:
            raise RuntimeError("reset the environment to start a match")
        match = self.match
        rounds, invalid = len(match.history), list(match.invalid)
        match.take({turn.seat: self._reply(actions, turn.seat) for turn in match.turns()})
        rewards = {agent: sum(match.rewards(seat)[rounds:]) for seat, agent in enumerate(AGENTS)}
        if match.finished:
            self.agents = []
        observations, infos = _seen(match, [match.invalid[seat] > invalid[seat] for seat in SEATS])
        terminations = dict.fromkeys(AGENTS, match.finished)
        return observations, rewards, terminations, dict.fromkeys(AGENTS, False), infos

    def _reply(self, actions: Mapping[str, str], seat: int) -> str:
        """A player's reply; the empty one, which is invalid, in place of none or of one outside the action space."""
        reply = actions.get(AGENTS[seat], "")
        if not isinstance(reply, str):
            raise TypeError(f"the action of {AGENTS[seat]} must be a text, but is {reply!r}")
        return reply if set(reply) <= self.action_spaces[AGENTS[seat]].character_set else ""


def _seen(match: Match, forfeits: list[bool]) -> tuple[Observations, Infos]:
    turns = {AGENTS[turn.seat]: turn for turn in match.turns()}
    observations = {agent: turns[agent].prompt if agent in turns else "" for agent in AGENTS}
    infos = {
        agent: {
            "asked": agent in turns,
            "step": turns[agent].step if agent in turns else "",
            "round": len(match.history),
            "forfeit": forfeit,
        }
        for agent, forfeit in zip(AGENTS, forfeits, strict=True)
    }
    return observations, infos


def _characters(game: Game) -> dict[str, Any]:
    """What the spaces of a game's texts have in common: printable ASCII, and what else its rules and replies have."""
    texts = [turn.prompt for turn in game.start(0).turns()]
    for grammar in game.grammars():
        for part in grammar.parts:
            texts += [part.text] if isinstance(part, Literal) else []
            texts += part.spellings() if isinstance(part, Choice) else []
    return {"min_length": 0, "charset": frozenset(string.printable).union(*texts)}


def _longest_reply(grammar: Grammar) -> int:
    return sum(
        len(part.text)
        if isinstance(part, Literal)
        else max(map(len, part.spellings()))
        if isinstance(part, Choice)
        else part.limit
        for part in grammar.parts
    )
