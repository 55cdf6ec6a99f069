"""Language-model players whose tokens a vLLM server samples."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from social_dilemmas.agents.play import Place
from social_dilemmas.backends.vllm.client import Completion, Connection
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.masks import DONE
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory


@dataclass(eq=False)
class VllmPlayer:
    """Plays any number of seats; every reply is a request, and all replies of a step are requested at once.

    Turns only append to conversations, so the server finds all but the latest turn in its prefix cache. Trajectories
    hold the log-probabilities under which the server sampled.

    Attributes:
        server: has been started with the policy's masks, whose fingerprint is `masks`.
        seed_of: the seed of a request, by the turn and the number of earlier replies in its conversation.
        model_of: the name under which the server has the adapter of a turn's seat.
    """

    server: Connection
    policy: Policy
    _: KW_ONLY
    masks: str
    seed_of: Callable[[Turn, int], int]
    model_of: Callable[[Turn], str]
    temperature: float
    max_new_tokens: int
    _trajectories: dict[Place, Trajectory] = field(default_factory=lambda: defaultdict(Trajectory))

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        return self._trajectories[match, seat]

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """Sampled replies, valid by construction; one without a choice costs no request.

        Raises as `Connection.complete`; the conversations can't go on then.
        """
        chat = self.policy.chat
        asked = [self._trajectories[turn.match, turn.seat] for turn in turns]
        for turn, trajectory in zip(turns, asked, strict=True):
            trajectory.ask(turn, chat, self.policy.masks)
        speaking = [pair for pair in zip(turns, asked, strict=True) if pair[1].state != DONE]
        completions = self.server.complete([self._request(*pair) for pair in speaking])
        for (_, trajectory), completion in zip(speaking, completions, strict=True):
            self._read(trajectory, completion)
        return [trajectory.text(chat) for trajectory in asked]

    def _request(self, turn: Turn, trajectory: Trajectory) -> dict[str, Any]:
        tokens = trajectory.tokens
        return {
            "model": self.model_of(turn),
            "prompt": tokens,
            "max_tokens": max(1, self.server.context - len(tokens)),  # the grammar ends it before
            "temperature": self.temperature,
            "seed": self.seed_of(turn, len(trajectory.reply_ends)),
            "stop_token_ids": [self.policy.chat.end_token],
            "logprobs": 0,
            "skip_special_tokens": False,
            "vllm_xargs": {
                "masks": self.masks,
                "mask_state": trajectory.state,
                "reply_length": len(tokens) - trajectory.reply_start,
                "reply_limit": self.max_new_tokens,
            },
        }

    def _read(self, trajectory: Trajectory, completion: Completion) -> None:
        """Append sampled tokens. Forced ones are there already, and must agree with the server's."""
        tokens = trajectory.tokens
        begin = len(tokens)
        sampled = zip(completion.tokens, completion.log_probabilities, strict=True)
        for place, (token, log_probability) in enumerate(sampled, start=begin):
            if place == len(tokens):
                trajectory.limit(self.max_new_tokens, self.policy.masks)
                trajectory.take(token, self.policy.masks, log_probability)
            elif tokens[place] != token:
                raise ValueError(f"the server says {token} where only {tokens[place]} is allowed")
        if trajectory.state != DONE or len(tokens) != begin + len(completion.tokens):
            raise ValueError("the server hasn't ended a reply where it must end")
