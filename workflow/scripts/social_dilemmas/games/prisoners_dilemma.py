"""Iterated prisoner's dilemma, told without its name: actions A and B, payoffs in points."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS, Game, Match, Turn, in_figures
from social_dilemmas.games.grammar import Choice, Grammar

COOPERATE, DEFECT = "A", "B"
ACTION = Grammar((Choice("action", (COOPERATE, DEFECT)),))
OUTCOME_LETTER = {COOPERATE: "C", DEFECT: "D"}


@dataclass(frozen=True)
class ActionRound:
    """Actions and points of both seats."""

    actions: tuple[str, str]
    rewards: tuple[float, float]


@dataclass(frozen=True)
class ActionView:
    """Past actions, oldest first."""

    own: tuple[str, ...]
    other: tuple[str, ...]


class PrisonersDilemma(Game):
    """Both cooperate: `reward`; both defect: `punishment`; one alone: `temptation` and `sucker`."""

    name = "prisoners_dilemma"
    title = "Iterated prisoner's dilemma"
    behaviours: ClassVar[Mapping[str, str]] = {
        "cooperation": "cooperates",
        "cooperation_at_start": "cooperates in the first round",
        "cooperation_after_CC": "cooperates after both cooperated",
        "cooperation_after_CD": "cooperates after it cooperated and the other defected",
        "cooperation_after_DC": "cooperates after it defected and the other cooperated",
        "cooperation_after_DD": "cooperates after both defected",
    }

    def __init__(
        self,
        rounds: int,
        reward: float = 3,
        punishment: float = 1,
        temptation: float = 5,
        sucker: float = 0,
    ) -> None:
        """Raises UserError if the payoffs are no prisoner's dilemma."""
        super().__init__(rounds)
        if not temptation > reward > punishment > sucker:
            raise UserError(
                "prisoners_dilemma: rules must satisfy temptation > reward > punishment > sucker, "
                f"but are {temptation}, {reward}, {punishment}, {sucker}"
            )
        self.payoffs = {
            (COOPERATE, COOPERATE): (reward, reward),
            (COOPERATE, DEFECT): (sucker, temptation),
            (DEFECT, COOPERATE): (temptation, sucker),
            (DEFECT, DEFECT): (punishment, punishment),
        }

    def start(self, seed: int) -> "PrisonersDilemmaMatch":
        return PrisonersDilemmaMatch(seed=seed, game=self)

    @property
    def reward_bounds(self) -> tuple[float, float]:
        points = [point for pair in self.payoffs.values() for point in pair]
        return min(points), max(points)

    def welfare_optimum(self, match: Match) -> float:
        return len(match.history) * max(sum(pair) for pair in self.payoffs.values())

    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        before = None
        for finished in match.history:
            cooperated = float(finished.actions[seat] == COOPERATE)
            yield "cooperation", cooperated
            yield f"cooperation_{before or 'at_start'}", cooperated
            own, other = finished.actions[seat], finished.actions[1 - seat]
            before = f"after_{OUTCOME_LETTER[own]}{OUTCOME_LETTER[other]}"

    def grammars(self) -> Iterable[Grammar]:
        return (ACTION,)

    def rules(self) -> str:
        """The rules in words, as they stand in the first user turn."""
        outcomes = "".join(
            f"If you choose {own} and the other chooses {other}, "
            f"you get {in_figures(points)} and the other gets {in_figures(other_points)} points. "
            for (own, other), (points, other_points) in self.payoffs.items()
        )
        return (
            "You meet one other player again and again. In every round you both choose A or B "
            "at the same time, and only afterwards learn what the other chose. "
            f"{outcomes}"
            "Your aim is to collect as many points as you can over all rounds. "
            "Reply with <A> or <B> and nothing else."
        )


@dataclass(kw_only=True, eq=False)
class PrisonersDilemmaMatch(Match):
    """Both seats act at once in every round."""

    game: PrisonersDilemma

    @property
    def finished(self) -> bool:
        return len(self.history) == self.game.rounds

    def turns(self) -> tuple[Turn, ...]:
        if self.finished:
            return ()
        return tuple(Turn(self, seat, "action", self._prompt(seat), ACTION) for seat in SEATS)

    def _prompt(self, seat: int) -> str:
        if not self.history:
            return self.game.rules()
        return f"The other player chose <{self.history[-1].actions[1 - seat]}>."

    def view(self, seat: int) -> ActionView:
        return ActionView(
            own=tuple(finished.actions[seat] for finished in self.history),
            other=tuple(finished.actions[1 - seat] for finished in self.history),
        )

    def forfeit(self, turn: Turn) -> dict[str, str]:
        return {"action": COOPERATE}

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        actions = (values[0]["action"], values[1]["action"])
        self.history.append(ActionRound(actions, self.game.payoffs[actions]))
