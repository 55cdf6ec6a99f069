"""Random streams derived from what they are for, so that no generator state has to be stored.

Every draw of the project comes from a stream named by (run seed, iteration, group, purpose); the same names
give the same draws on any machine, whatever was drawn elsewhere and wherever a run was resumed.
"""

import hashlib
import random


def derive_seed(*names: object) -> int:
    """A 63-bit seed that depends on every name and on their order."""
    digest = hashlib.blake2b("\x1f".join(map(repr, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stream(*names: object) -> random.Random:
    """A generator of its own for this purpose."""
    return random.Random(derive_seed(*names))
