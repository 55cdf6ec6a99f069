"""Conversations that are sampled together as long as they are the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from social_dilemmas.agents.play import Place
from social_dilemmas.policy.trajectory import Trajectory


@dataclass(eq=False)
class Branch:
    """Conversations under one adapter that have been the same so far.

    Attributes:
        adapter: PEFT's name of it.
        places: whose conversations these are.
        row: of the cache; branches have the same one from where they part until one of them speaks.
        trajectory: what was said.
        cached: how many tokens of it the row holds.
    """

    adapter: str
    places: list[Place]
    row: int = 0
    trajectory: Trajectory = field(default_factory=Trajectory)
    cached: int = 0

    @property
    def tokens(self) -> list[int]:
        return self.trajectory.tokens

    def split(self, groups: Sequence[list[Place]]) -> list["Branch"]:
        """A branch for each group of its places; this one keeps the others, or the first group if there are none."""
        if len(groups) == 1 and len(groups[0]) == len(self.places):
            return [self]
        gone = {place for group in groups for place in group}
        rest = [place for place in self.places if place not in gone]
        parts = [
            replace(self, places=group, trajectory=self.trajectory.copy())
            for group in (groups if rest else groups[1:])
        ]
        self.places = rest or groups[0]
        return parts if rest else [self, *parts]
