"""Sections about games, and what is done in each."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from social_dilemmas.config.schema.evaluation import (
    PartialDisturbances,
    PartialEvaluation,
    PartialTranscripts,
)
from social_dilemmas.config.schema.section import (
    Count,
    EvenCount,
    Name,
    Names,
    Rules,
    Section,
    Text,
    partial,
)
from social_dilemmas.config.schema.training import PartialTraining
from social_dilemmas.config.schema.warm_start import Clone, PartialWarmStart


class Horizon(Section):
    """A number of rounds that every match draws from its seed, in one of two ways."""

    least: Count | None = None
    """fewest rounds; every number from `least` to `most` is as likely"""
    continuation: Annotated[float, Field(ge=0, lt=1)] | None = None
    """in place of `least`: after every round, the probability of another, up to `most`"""
    most: Count
    """most rounds"""


def _fixed_or_drawn(value: Any) -> str:
    return "drawn" if isinstance(value, Mapping | Horizon) else "fixed"


Rounds = Annotated[
    Annotated[Count, Tag("fixed")] | Annotated[Horizon, Tag("drawn")],
    Discriminator(_fixed_or_drawn),
]


AS_TRAINED = "as_trained"
"""The name of the variation that changes nothing."""


class Variation(Section):
    """A game told or paid otherwise, of another length, or another game: what agents of a game weren't trained on."""

    name: Name
    """name in paths, tables and figures"""
    kind: str | None = None
    """another kind of matrix game; `null`: the game's own"""
    rounds: Rounds | None = None
    """another number of rounds; `null`: the game's own"""
    rules: Rules = {}
    """rules in place of the game's own, key by key; beside another `kind`, those that say how it is told stay"""


class Generalisation(Section):
    """Agents under what they weren't trained on: with themselves, with a cooperator and with a defector."""

    variations: list[Variation] = []
    """what is different, one entry each; where there are any, the game `as_trained` is there as well"""
    matches: EvenCount = 16
    """matches of each pair of agents; even, as every second one repeats the one before with swapped seats"""


PartialGeneralisation = partial(Generalisation)


class Exploitability(Section):
    """Learners against opponents that don't learn: how far an agent can be exploited."""

    learners: dict[str, Names] = {}
    """by the name of an algorithm, the opponents that it learns against: algorithms (the frozen agent of the learner's
    own seed), `warm_start`, scripted players, `api_players`"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of these trainings, in place of the algorithm's own in this game"""
    training_by_opponent: dict[str, PartialTraining] = {}  # type: ignore[valid-type]
    """by the name of an opponent, settings of the trainings against it, in place of those of `training`"""


PartialExploitability = partial(Exploitability)


class Game(Section):
    """A game, with the settings of all that is done in it."""

    name: Name
    """name in paths, tables and figures"""
    title: Text | None = None
    """what figures and printed tables call it; `null`: after its name"""
    kind: str | None = None
    """which game it is, see `rules`; `null`: the one with this name"""
    rounds: Rounds
    """rounds of a match, or how they are drawn; the players are never told how many"""
    rules: Rules = {}
    """payoffs and the like, see below"""
    warm_start: PartialWarmStart = PartialWarmStart()  # type: ignore[valid-type]
    """settings of this game's warm start, in place of the top level's `warm_start`"""
    clone: Clone | None = None
    """a clone that takes part in this game's cross-play as `cloned_` and the player's name; `null`: none"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of this game's training, in place of the top level's `training`"""
    training_by_algorithm: dict[str, PartialTraining] = {}  # type: ignore[valid-type]
    """by the name of an algorithm, settings of its training in this game, in place of both"""
    evaluation: PartialEvaluation = PartialEvaluation()  # type: ignore[valid-type]
    """settings of this game's cross-play, in place of the top level's `evaluation`"""
    exploitability: PartialExploitability = PartialExploitability()  # type: ignore[valid-type]
    """who learns against opponents that don't learn, in place of the top level's `exploitability`"""
    transcripts: PartialTranscripts = PartialTranscripts()  # type: ignore[valid-type]
    """settings of this game's transcripts, in place of the top level's `transcripts`"""
    disturbances: PartialDisturbances = PartialDisturbances()  # type: ignore[valid-type]
    """settings of this game's disturbed matches, in place of the top level's `disturbances`"""
    generalisation: PartialGeneralisation = PartialGeneralisation()  # type: ignore[valid-type]
    """what this game's agents meet beside it, in place of the top level's `generalisation`"""

    @property
    def entry(self) -> dict[str, Any]:
        """How the game is played, as plain data: name, kind, rounds and rules."""
        return self.model_dump(include={"name", "kind", "rounds", "rules"}, exclude_none=True)

    @property
    def declared(self) -> dict[str, Any]:
        """The same with its title, for what only gets the game's name."""
        return {**self.entry, **({"title": self.title} if self.title else {})}
