"""The words in which a matrix game is told: its rules, and what the other player did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """Sentences with places in braces.

    Attributes:
        rules: with `{choices}` (A or B), `{outcomes}` and `{replies}` (<A> or <B>).
        outcome: for each pair of actions, with `{own}`, `{other}`, `{points}` and `{other_points}`.
        news: after every round, with `{other}`, the other player's action.
    """

    rules: str
    outcome: str
    news: str


WORDINGS = {
    "plain": Wording(
        rules="You meet one other player again and again. In every round you both choose {choices} at the same time, "
        "and only afterwards learn what the other chose. {outcomes} "
        "Your aim is to collect as many points as you can over all rounds. Reply with {replies} and nothing else.",
        outcome="If you choose {own} and the other chooses {other}, "
        "you get {points} and the other gets {other_points} points.",
        news="The other player chose <{other}>.",
    ),
    "brief": Wording(
        rules="Two players, many rounds. Each round: pick {choices} without seeing the other's pick. "
        "{outcomes} Score as much as possible in total. Answer with {replies} only.",
        outcome="{own} against {other}: {points} for you, {other_points} for the other.",
        news="The other picked <{other}>.",
    ),
    "shops": Wording(
        rules="You own one of two shops in a street. Every week both owners settle on plan {choices}, "
        "and hear about the other's plan when the week is over. {outcomes} "
        "You want to earn as much as you can over all weeks. Say {replies}, without another word.",
        outcome="With plan {own} for your shop and plan {other} for the other shop, "
        "you earn {points} coins and the other owner earns {other_points}.",
        news="Last week the other shop followed plan <{other}>.",
    ),
}
"""By name; `plain` is what games are told in unless their entry says otherwise."""
