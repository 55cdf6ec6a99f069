"""What both split games share: how claims on a quantity are met, and who may be called fair."""


def share(claim: float, other_claim: float, quantity: float) -> float:
    """Units that a claim gets. Claims that exceed the quantity together are cut in proportion.

    Args:
        claim: units asked for, 0..quantity.
        other_claim: units that the other player asks for.
        quantity: units to be divided.
    """
    return quantity * claim / max(quantity, claim + other_claim)
