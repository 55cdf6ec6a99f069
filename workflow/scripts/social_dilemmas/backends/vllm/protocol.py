"""What the trainer and the project's code inside the vLLM server tell each other."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from social_dilemmas.policy.conversation import limited
from social_dilemmas.policy.masks import DONE, TokenMasks

ROWS_AT_ONCE = 64  # rows of the masks' table that are hashed at a time; limits memory


@dataclass(frozen=True)
class ReplyPlace:
    """Where a request begins in its reply; goes with it.

    Attributes:
        mask_state: mask state in which the first token is drawn.
        reply_length: tokens of the reply that stand in the prompt, as they are forced.
        reply_limit: tokens of the reply after which free text is closed.
    """

    mask_state: int
    reply_length: int
    reply_limit: int

    def fields(self) -> dict[str, int]:
        """For vLLM's `vllm_xargs`."""
        return asdict(self)

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "ReplyPlace | None":
        """What `fields` gave; None for a request that has nothing of the kind."""
        if not fields or "mask_state" not in fields:
            return None
        return cls(**{name: int(fields[name]) for name in cls.__annotations__})


@dataclass
class Reply:
    """A reply that the server is writing.

    Attributes:
        place: where it began.
        tokens: what was sampled so far; vLLM appends to this list.
        read: how many of them `state` takes in.
        state: mask state after these.
    """

    place: ReplyPlace
    tokens: list[int]
    read: int = 0
    state: int = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.place.mask_state

    def next_state(self, masks: TokenMasks) -> int:
        """The state in which the next token is drawn; DONE if there is none."""
        for token in self.tokens[self.read :]:
            if self.state != DONE:
                self.state = masks.step(self._limited(masks), token)
            self.read += 1
        return DONE if self.state == DONE else self._limited(masks)

    def _limited(self, masks: TokenMasks) -> int:
        length = self.place.reply_length + self.read
        return limited(masks, self.state, length, self.place.reply_limit)


def masks_fingerprint(masks: TokenMasks) -> str:
    """Tells token masks apart: a hash of their whole table."""
    states = torch.arange(masks.allowed.shape[0])
    digest = hashlib.blake2b(str(masks.allowed.shape).encode(), digest_size=16)
    for chunk in states.split(ROWS_AT_ONCE):
        digest.update(np.packbits(masks.allowed[chunk].cpu().numpy()).tobytes())
    return digest.hexdigest()
