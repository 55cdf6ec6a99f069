"""Sections about further experiments."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from social_dilemmas.config.schema.section import Name, Names, Pair, Section, Share, unique
from social_dilemmas.config.schema.training import Credit, PartialTraining


class Variant(Section):
    """One thing left out or done differently, or another way altogether."""

    name: Name
    """name in paths, tables and figures"""
    games: Names | None = None
    """those of the section's `games` in which it is trained; `null`: all of them"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings that differ from the algorithm's"""
    credit: Credit | None = None
    """another credit than the algorithm's"""
    start: Literal["warm_start", "base"] = "warm_start"
    """`warm_start`; or `base`: without a warm start"""
    compared_with: str | None = None
    """the variant that its payoffs are compared with in the table of ablations; `null`: the algorithm as it is"""


class Ablations(Section):
    """The training of one algorithm with one thing left out or done differently."""

    algorithm: str = "advantage_alignment"
    """the algorithm that is varied"""
    games: Names = []
    """games in which it is"""
    variants: list[Variant] = []
    """what is done differently, one entry each"""

    @property
    def played(self) -> list[str]:
        """Games in which a variant is trained."""
        return list(dict.fromkeys(game for game, _ in self.trained))

    @property
    def trained(self) -> list[tuple[str, str]]:
        """Game and name of every variant that is trained."""
        return [
            (game, variant.name)
            for game in self.games
            for variant in self.variants
            if variant.games is None or game in variant.games
        ]


class Rivals(Ablations):
    """Other ways to cooperation, compared with the algorithms by what they get with copies and in the worst case."""

    algorithm: str = "naive"
    """the algorithm whose settings they share"""


class PriorSweep(Section):
    """How much reciprocity the warm start must have: populations in which reciprocal players have other shares."""

    games: Names = []
    """games in which it is tried"""
    players: Names = ["tit_for_tat", "grim", "win_stay_lose_shift", "reciprocator"]
    """reciprocal players, as far as a game's population has them"""
    shares: Annotated[list[Share], AfterValidator(unique)] = [0.0, 0.3, 0.6]
    """shares that they have together; within, and among the others, proportions stay as they are"""
    algorithms: Names = ["naive", "advantage_alignment"]
    """algorithms that begin from each warm start, once with each of the first `experiment_seeds` seeds"""


class TwoLearners(Section):
    """Two learners at once, with adapters of their own, that play and learn against each other."""

    games: Names = []
    """games in which there are such pairs"""
    pairs: Annotated[list[Pair], AfterValidator(unique)] = []
    """pairs of algorithms, by their names: that of the first learner and that of the second"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of both learners, in place of the game's own; those by algorithm don't count, and there is no buffer"""
