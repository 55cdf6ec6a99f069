"""Iterated prisoner's dilemma; prompts don't name it: the first action cooperates, the second defects."""

from collections.abc import Iterator
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGame, letters_played


class PrisonersDilemma(MatrixGame):
    """Both cooperate: `reward`; both defect: `punishment`; one alone: `temptation` and `sucker`.

    Further rules are those of every matrix game that say how it is told.
    """

    kind = "prisoners_dilemma"
    title = "Iterated prisoner's dilemma"
    axis = ("Probability of cooperating", 1.0)

    def __init__(
        self,
        rounds: Rounds,
        reward: float = 3,
        punishment: float = 1,
        temptation: float = 5,
        sucker: float = 0,
        **told: Any,
    ) -> None:
        """Raises UserError if the payoffs are no prisoner's dilemma."""
        if not temptation > reward > punishment > sucker:
            raise UserError(
                "prisoners_dilemma: rules must satisfy temptation > reward > punishment > sucker, "
                f"but are {temptation}, {reward}, {punishment}, {sucker}"
            )
        cooperate = {"A": [reward, reward], "B": [sucker, temptation]}
        defect = {"A": [temptation, sucker], "B": [punishment, punishment]}
        super().__init__(rounds, {"A": cooperate, "B": defect}, **told)
        if 2 * reward < temptation + sucker:
            self.remark = (
                f"taking turns at temptation ({temptation}) and sucker ({sucker}) pays both more than to cooperate, "
                f"which pays {reward}"
            )
        self.behaviours = {
            "cooperation": "cooperates",
            "cooperation_at_start": "cooperates in the first round",
            "cooperation_after_CC": "cooperates after both cooperated",
            "cooperation_after_CD": "cooperates after it cooperated and the other defected",
            "cooperation_after_DC": "cooperates after it defected and the other cooperated",
            "cooperation_after_DD": "cooperates after both defected",
        }

    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        before = "at_start"
        for own, other in letters_played(match, seat, "CD"):
            yield "cooperation", float(own == "C")
            yield f"cooperation_{before}", float(own == "C")
            before = f"after_{own}{other}"
