"""Kinds of strategies for the prisoner's dilemma.

The words are those of Axelrod (The Evolution of Cooperation, 1984): a nice strategy is never the first to defect, a
provocable one answers defection with defection, a forgiving one returns to cooperation. Tit-for-tat-like strategies
are all three; grim-like ones don't forgive. The bounds leave room for the first round or two, before a strategy has
seen anything, and for a little randomness.
"""

TIT_FOR_TAT_LIKE, GRIM_LIKE = "tit_for_tat_like", "grim_like"
COOPERATORS, DEFECTORS, OTHERS = "cooperators", "defectors", "other_strategies"
KINDS = (TIT_FOR_TAT_LIKE, GRIM_LIKE, COOPERATORS, DEFECTORS, OTHERS)
EVERY_STRATEGY = "every_strategy"
"""Stands for all kinds together."""

ALWAYS, NEARLY_ALWAYS, SELDOM, NEARLY_NEVER = 1.0, 0.9, 0.3, 0.1


def kind_of_strategy(
    cooperation_with_cooperator: float,
    cooperation_with_defector: float,
    cooperation_after_slip: float,
) -> str:
    """The kind of a strategy, one of `KINDS`, from its shares of cooperation in ten rounds.

    They are those against unconditional cooperation, against unconditional defection, and in the last three rounds
    against a player that defects in the fourth only.
    """
    both = (cooperation_with_cooperator, cooperation_with_defector)
    if min(both) >= NEARLY_ALWAYS:
        return COOPERATORS
    if max(both) <= NEARLY_NEVER:
        return DEFECTORS
    if cooperation_with_cooperator == ALWAYS and cooperation_with_defector <= SELDOM:
        return TIT_FOR_TAT_LIKE if cooperation_after_slip >= NEARLY_ALWAYS else GRIM_LIKE
    return OTHERS
