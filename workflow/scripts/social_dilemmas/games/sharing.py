"""What both split games share: how claims on a quantity are met, and who may be called fair."""

from collections.abc import Sequence


def share(claim: float, other_claim: float, quantity: float) -> float:
    """Units that a claim gets. Claims that exceed the quantity together are cut in proportion.

    Args:
        claim: units asked for, 0..quantity.
        other_claim: units that the other player asks for.
        quantity: units to be divided.
    """
    return quantity * claim / max(quantity, claim + other_claim)


def half(quantity: int) -> int:
    """Half of the units; the larger half if odd, so that two halves leave nothing over."""
    return (quantity + 1) // 2


def asks_little(claims: Sequence[int], quantity: int) -> bool:
    """Whether a player treats the other fairly, by what it claims of that which is worth more to
    the other.

    Fair is to ask for fewer than half of these units; anything else is a grab.

    Args:
        claims: units asked for, one number for each such kind.
        quantity: units to be divided, of each kind.
    """
    return sum(claims) < quantity / 2 * len(claims)
