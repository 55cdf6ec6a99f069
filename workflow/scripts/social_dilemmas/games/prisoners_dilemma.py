"""Iterated prisoner's dilemma; prompts don't name it: actions A and B, payoffs in points."""

from collections.abc import Iterator

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGame

COOPERATE, DEFECT = "A", "B"


class PrisonersDilemma(MatrixGame):
    """Both cooperate: `reward`; both defect: `punishment`; one alone: `temptation` and `sucker`."""

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
    ) -> None:
        """Raises UserError if the payoffs are no prisoner's dilemma."""
        if not temptation > reward > punishment > sucker:
            raise UserError(
                "prisoners_dilemma: rules must satisfy temptation > reward > punishment > sucker, "
                f"but are {temptation}, {reward}, {punishment}, {sucker}"
            )
        cooperate = {COOPERATE: [reward, reward], DEFECT: [sucker, temptation]}
        defect = {COOPERATE: [temptation, sucker], DEFECT: [punishment, punishment]}
        super().__init__(rounds, {COOPERATE: cooperate, DEFECT: defect})
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
        for finished in match.history:
            letters = ["C" if action == COOPERATE else "D" for action in finished.actions]
            cooperated = float(letters[seat] == "C")
            yield "cooperation", cooperated
            yield f"cooperation_{before}", cooperated
            before = f"after_{letters[seat]}{letters[1 - seat]}"
