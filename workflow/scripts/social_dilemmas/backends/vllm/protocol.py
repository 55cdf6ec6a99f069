"""What the trainer and the project's code inside the vLLM server have in common."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from social_dilemmas.policy.masks import DONE, TokenMasks

ROWS_AT_ONCE = 64  # rows of the masks' table that are hashed at a time; limits memory


@dataclass
class Reply:
    """A reply that the server is writing.

    Attributes:
        masks: the fingerprint of its game's token masks.
        state, length: mask state and number of tokens as far as it was read, those included that stand in the prompt.
        limit: number of tokens after which free text is closed.
        tokens: what was sampled so far; vLLM appends to this list.
        read: how many of these were read.
    """

    masks: str
    state: int
    length: int
    limit: int
    tokens: list[int]
    read: int = 0

    @classmethod
    def of_request(cls, fields: Mapping[str, Any] | None, tokens: list[int]) -> "Reply | None":
        """The reply to a request with these `vllm_xargs`; None if they say nothing of masks."""
        if not fields or "mask_state" not in fields:
            return None
        names = ("mask_state", "reply_length", "reply_limit")
        state, length, limit = (int(fields[name]) for name in names)
        return cls(str(fields["masks"]), state, length, limit, tokens)

    def next_state(self, masks: TokenMasks) -> int:
        """The state in which the next token is drawn; DONE if there is none."""
        self._limit(masks)
        for token in self.tokens[self.read :]:
            if self.state != DONE:
                self.state = masks.step(self.state, token)
            self.read += 1
            self.length += 1
            self._limit(masks)
        return self.state

    def _limit(self, masks: TokenMasks) -> None:
        """Close free text from the limit on."""
        if self.length >= self.limit and self.state != DONE:
            self.state = masks.closing(self.state)


def masks_fingerprint(masks: TokenMasks) -> str:
    """A hash of the whole table of token masks."""
    states = torch.arange(masks.allowed.shape[0])
    digest = hashlib.blake2b(str(masks.allowed.shape).encode(), digest_size=16)
    for chunk in states.split(ROWS_AT_ONCE):
        digest.update(np.packbits(masks.allowed[chunk].cpu().numpy()).tobytes())
    return digest.hexdigest()
