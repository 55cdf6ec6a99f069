"""Language-model players whose tokens a vLLM server samples."""

from collections.abc import Callable, Sequence
from typing import Any

from social_dilemmas.backends.vllm.server import Completion, VllmServer
from social_dilemmas.games.game import Turn
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.conversation import Conversation, ConversationPlayer
from social_dilemmas.policy.masks import DONE, TokenMasks


class VllmPlayer(ConversationPlayer[Conversation]):
    """Plays any number of seats; every reply is a request, and all replies of a step are requested at once.

    Turns only append to conversations, so the server finds all but the latest turn in its prefix cache. Trajectories
    hold the log-probabilities under which the server sampled.
    """

    def __init__(
        self,
        server: VllmServer,
        chat: ChatFormat,
        masks: TokenMasks,
        *,
        seed_of: Callable[[Turn, int], int],
        model_of: Callable[[Turn], str],
        temperature: float,
        max_new_tokens: int,
    ) -> None:
        """A player for new matches on a server that has been started with these masks.

        `seed_of` gives the seed of a request, by the turn and the number of earlier replies in its conversation;
        `model_of` the name under which the server has the adapter of a turn's seat.
        """
        super().__init__(chat, masks, temperature=temperature, max_new_tokens=max_new_tokens)
        self._server = server
        self._seed_of = seed_of
        self._model_of = model_of

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """Sampled replies, valid by construction. A reply without a choice costs no request.

        Raises:
            ServerLostError: the server has gone; the conversations can't go on.
            UserError: it refuses a request.
        """
        conversations = [self._ask(turn) for turn in turns]
        open_ = [pair for pair in zip(turns, conversations, strict=True) if pair[1].state != DONE]
        completions = self._server.complete([self._request(*pair) for pair in open_])
        for (_, conversation), completion in zip(open_, completions, strict=True):
            self._read(conversation, completion)
        return [conversation.text(self._chat) for conversation in conversations]

    def _begin(self, turn: Turn) -> Conversation:
        return Conversation()

    def _request(self, turn: Turn, conversation: Conversation) -> dict[str, Any]:
        tokens = conversation.trajectory.tokens
        return {
            "model": self._model_of(turn),
            "prompt": tokens,
            "max_tokens": max(1, self._server.context - len(tokens)),  # the grammar ends it before
            "temperature": self._temperature,
            "seed": self._seed_of(turn, len(conversation.reply_ends)),
            "stop_token_ids": [self._chat.end_token],
            "logprobs": 0,
            "skip_special_tokens": False,
            "vllm_xargs": {
                "mask_state": conversation.state,
                "reply_length": conversation.reply_length,
                "reply_limit": self._max_new_tokens,
            },
        }

    def _read(self, conversation: Conversation, completion: Completion) -> None:
        """Append sampled tokens. Forced ones are there already, and must agree with the server's."""
        tokens = conversation.trajectory.tokens
        begin = len(tokens)
        sampled = zip(completion.tokens, completion.log_probabilities, strict=True)
        for place, (token, log_probability) in enumerate(sampled, start=begin):
            if place == len(tokens):
                conversation.limit(self._max_new_tokens, self._masks)
                conversation.take(token, self._masks, log_probability)
            elif tokens[place] != token:
                raise ValueError(f"the server says {token} where only {tokens[place]} is allowed")
        if conversation.state != DONE or len(tokens) != begin + len(completion.tokens):
            raise ValueError("the server hasn't ended a reply where it must end")
