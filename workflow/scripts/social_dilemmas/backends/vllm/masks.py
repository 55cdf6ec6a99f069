"""The project's token masks inside a vLLM server, as one of vLLM's logits processors.

vLLM's own structured outputs allow any tokenisation of a valid reply, and each of its backends other ones; the masks
allow exactly one. With the masks themselves in the server, tokens are sampled from exactly the distribution that is
trained on, for every tokenizer, and their log-probabilities are those under it.

Only the server's interpreter imports this module.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer
from vllm.config import VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from social_dilemmas.backends.vllm.protocol import Reply, masks_fingerprint
from social_dilemmas.games import game_of
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks


class ReplyMasks(LogitsProcessor):
    """Restricts every request to the tokens that the mask state of its reply allows."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        """Compile the games' masks; raises RuntimeError if the trainer's packages read the tokenizer in another way."""
        given: dict[str, Any] = vllm_config.additional_config["reply_masks"]
        chat = ChatFormat(AutoTokenizer.from_pretrained(vllm_config.model_config.tokenizer))
        size = vllm_config.model_config.get_vocab_size()
        self._masks = {
            fingerprint: TokenMasks(game_of(game).grammars(), chat, size, device)
            for fingerprint, game in given.items()
        }
        self._replies: dict[int, Reply] = {}  # by row of the batch
        if any(masks_fingerprint(masks) != each for each, masks in self._masks.items()):
            raise RuntimeError(
                "the server compiles other token masks for this tokenizer than the trainer: their "
                "environments need versions of transformers and tokenizers that agree"
            )

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        process_dict_updates(self._replies, batch_update, _new_reply)

    def apply(self, logits: Tensor) -> Tensor:
        """Mask (requests, vocabulary) logits."""
        for fingerprint, masks in self._masks.items():
            states = {
                row: state
                for row, reply in self._replies.items()
                if reply.masks == fingerprint and (state := reply.next_state(masks)) != DONE
            }
            if states:
                rows = torch.tensor(list(states), device=logits.device)
                allowed = masks.allowed[torch.tensor(list(states.values()))]
                logits[rows] = logits[rows].masked_fill(~allowed, -torch.inf)
        return logits


def _new_reply(
    parameters: SamplingParams, prompt: list[int] | None, tokens: list[int]
) -> Reply | None:
    return Reply.of_request(parameters.extra_args, tokens)
