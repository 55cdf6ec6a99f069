"""Names of quantities in tables, and the words that explain them."""

from social_dilemmas.games import named_game

PAYOFF, PAYOFF_OPPONENT, PAYOFF_GAP = "payoff", "payoff_opponent", "payoff_gap"
GROWTH, FINAL_SHARE, MEAN_FINAL_SHARE = "growth_when_rare", "final_share", "mean_final_share"
WELFARE_SHARE = "welfare_share"
COOPERATION = "cooperation"
NORMALISED_WELFARE, NORMALISED_PAYOFF = "normalised_welfare", "normalised_payoff"
NORMALISED_PAYOFF_OPPONENT = "normalised_payoff_opponent"

PAYOFF_BEFORE, PAYOFF_AFTER, WELFARE_KEPT = "payoff_before", "payoff_after", "welfare_kept"

OUTCOMES = (PAYOFF, PAYOFF_OPPONENT, WELFARE_SHARE)
NORMALISED = (NORMALISED_WELFARE, NORMALISED_PAYOFF, NORMALISED_PAYOFF_OPPONENT)
PAYOFFS = (*OUTCOMES, *NORMALISED)
"""Quantities of the cross-play table; everything else that a game observes is a fingerprint."""

NORMALISED_WORDS = (
    "A normalised payoff is 0 for what a player can make sure of whatever the other does, and 1 for that and half of "
    "what both can gain beyond it; normalised welfare is the mean of both players', 1 for the optimum."
)

WORDS = {
    PAYOFF: "points a round",
    PAYOFF_OPPONENT: "points a round that the other gets",
    PAYOFF_GAP: "points a round more than the other gets",
    WELFARE_SHARE: "share of the welfare-optimal payoff",
    NORMALISED_WELFARE: "normalised welfare",
    NORMALISED_PAYOFF: "normalised payoff",
    NORMALISED_PAYOFF_OPPONENT: "normalised payoff of the other",
    COOPERATION: "chooses the first action",
    PAYOFF_BEFORE: "points a round before the round of the slip",
    PAYOFF_AFTER: "points a round after the round of the slip",
    WELFARE_KEPT: "both players' points after the round of the slip, as a share of those undisturbed",
    GROWTH: "points a round that a rare agent gets more than the others among themselves",
    FINAL_SHARE: "share of the population in the end, from equal shares on",
    MEAN_FINAL_SHARE: "share of the population in the end, mean over all shares to begin with",
}
"""Quantities of every game; a game has words for everything else that it observes."""


def quantity_words(game: str, quantity: str) -> str:
    """What a quantity says, in words that stand by themselves.

    A game's words that open with dots continue those of the quantity before; they are joined here.
    """
    words = ""
    for name, own in {**WORDS, **named_game(game).behaviours}.items():
        words = f"{words.split(',')[0]}, {own[4:]}" if own.startswith("... ") else own
        if name == quantity:
            return words
    return quantity.replace("_", " ")
