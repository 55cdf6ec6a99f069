"""The project's side: matches played by a learner, played again word for word, and a training step on them.

Seconds are those of the process on the CPU: on one thread those of the clock, but for what other processes take.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.agents.play import Place, batches
from social_dilemmas.config.schema.training import Buffer
from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.games import game_of
from social_dilemmas.games.game import SEATS, Turn
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.loss import MEASURED, add_gradients
from social_dilemmas.method.rollout import seat_learner
from social_dilemmas.policy.adapted_layers import RowAdapters, adapted_layers
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.branch import Branch
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import LanguageModelPlayer, PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.policy.tree import prefix_tree
from social_dilemmas.run.ranks import ALONE

Moment = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Transcript:
    """Matches that were played, both seats of each by the learner.

    Attributes:
        trajectories: the conversations, by match and seat.
        moments: who speaks at the same time: the conversation's number, how many tokens it has before the first that is
            drawn, and how many are drawn.
    """

    trajectories: list[Trajectory]
    moments: list[Moment]

    @property
    def tokens(self) -> list[list[int]]:
        return [trajectory.tokens for trajectory in self.trajectories]

    @property
    def drawn(self) -> int:
        """Tokens that were drawn rather than given or forced."""
        return sum(len(trajectory.positions) for trajectory in self.trajectories)

    @property
    def sharing(self) -> float:
        """Tokens of all conversations, for each that differs from those of all others."""
        return sum(map(len, self.tokens)) / len(prefix_tree(self.tokens))


class Repeating(LanguageModelPlayer):
    """Draws tokens as ever, but says what was said in a transcript, if there is one."""

    def __init__(
        self,
        sampler: PolicySampler,
        places: Sequence[Place],
        assigned: RowAdapters,
        transcript: Transcript | None,
        rules: int,
    ) -> None:
        """`rules` is how often the first prompt says the rules."""
        super().__init__(sampler, dict.fromkeys(places, LEARNER), assigned)
        self._rules = rules
        self._said: Mapping[Place, Sequence[int]] = {}
        if transcript is not None:
            self._said = dict(zip(places, transcript.tokens, strict=True))

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        return super().reply([self._with_rules(turn) for turn in turns])

    def _with_rules(self, turn: Turn) -> Turn:
        if self.trajectory(turn.match, turn.seat).tokens:
            return turn
        return replace(turn, prompt=" ".join([turn.prompt] * self._rules))

    def _draw(self, speaking: Sequence[Branch], logits: Tensor) -> list[list[int]]:
        drawn = super()._draw(speaking, logits)
        if not self._said:
            return drawn
        return [
            [self._said[place][len(branch.tokens)] for place in branch.places]
            for branch in speaking
        ]


class Ours:
    """A learner on top of a model, as at the beginning of its training, and its settings."""

    def __init__(
        self,
        model: LanguageModel | Path,
        game: Mapping[str, Any],
        settings: TrainingSettings,
        rules: int = 1,
    ) -> None:
        """A learner that always plays itself; `rules` is how often the first prompt says the rules."""
        language_model = load_model(model, "cpu") if isinstance(model, Path) else model
        self.settings = settings.model_copy(update={"buffer": Buffer(size=0)})
        self.learner = Learner(Policy(language_model, game_of(game)), self.settings, seed=0)
        self._rules = rules

    def play(self, transcript: Transcript | None = None) -> Transcript:
        """Play matches as in an iteration of training, or those of a transcript once more."""
        policy, settings = self.learner.policy, self.settings
        seatings = seat_learner(
            policy.game,
            self.learner.pool,
            seed=0,
            iteration=0,
            matches=settings.matches,
            group_size=settings.group_size,
        )
        matches = [seating.match for seating in seatings]
        places = [(match, seat) for match in matches for seat in SEATS]
        numbers = {place: number for number, place in enumerate(places)}
        sampler = PolicySampler(policy, in_order(0), max_new_tokens=settings.max_new_tokens)
        moments = []
        with torch.no_grad(), adapted_layers(policy.model) as assigned:
            player = Repeating(sampler, places, assigned, transcript, self._rules)
            for turns, _ in batches(matches, [(player, player)] * len(matches)):
                moment = []
                for turn in turns:
                    trajectory = player.trajectory(turn.match, turn.seat)
                    new = [at for at in trajectory.positions if at >= trajectory.reply_start]
                    if new:
                        moment.append((numbers[turn.match, turn.seat], new[0], len(new)))
                moments.append(moment)
        return Transcript([player.trajectory(*place) for place in places], moments)

    def sample(self, transcript: Transcript) -> float:
        """Seconds to play the matches of a transcript, with the adapter merged."""
        begin = time.process_time()
        self.play(transcript)
        return time.process_time() - begin

    def train(self, transcript: Transcript) -> float:
        """Seconds of a training step on a transcript, with some credit."""
        torch.manual_seed(0)
        rounds = 1 + max(trajectory.round for trajectory in transcript.trajectories)
        credit = torch.randn(len(transcript.trajectories), rounds)  # (conversations, rounds)
        begin = time.process_time()
        self.learner.zero_grad()
        add_gradients(
            self.learner.policy,
            transcript.trajectories,
            credit,
            self.settings,
            total=transcript.drawn,
            measured=ceil(MEASURED * len(transcript.trajectories)),
        )
        self.learner.step(0, ALONE)
        return time.process_time() - begin
