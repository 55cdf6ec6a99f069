"""Who sits opposite the learner: itself, past versions of itself, scripted players, or somebody who doesn't learn.

An opponent is drawn per group of matches. Drawing it per match would put opponents of different strength into one
group baseline, an offset that Advantage Alignment multiplies into its shaping term.
"""

from collections.abc import Mapping
from math import floor

from torch import Tensor

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.config.schema.training import Training
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.policy import Policy
from social_dilemmas.randomness import stream

LIVE = Agent("learner", adapter=LEARNER)
"""The learner as it is now."""


class OpponentPool:
    """The opponents of a run: a fixed one that doesn't learn, or the learner itself, past agents and scripted players.

    A scripted player is drawn first, with its probability; otherwise a past agent with that of the buffer. The learner
    meets itself in all other groups, and learns in both seats of them where `learning_seats` is "both" and there is no
    buffer. `past` are the iterations after which past agents were kept.
    """

    def __init__(
        self, policy: Policy, settings: Training, seed: int, fixed: Agent | None = None
    ) -> None:
        self.past: list[int] = []
        self._policy = policy
        self._buffer, self._pool = settings.buffer, settings.pool
        self._learning_seats = settings.learning_seats
        self._seed = seed
        self._fixed = fixed

    @property
    def has_buffer(self) -> bool:
        """Whether past agents are kept and met."""
        return self._fixed is None and self._buffer.size > 0

    @property
    def meets_others(self) -> bool:
        """Whether the learner meets others beside itself."""
        return self.has_buffer or (self._fixed is None and self._pool.probability > 0)

    @property
    def both_seats_learn(self) -> bool:
        """Whether the learner learns in both seats of matches with itself."""
        return self._fixed is None and not self.has_buffer and self._learning_seats == "both"

    def draw(self, iteration: int, group: int, match: int) -> Agent:
        """The opponent of a match; the same draw gives the same opponent."""
        if self._fixed is not None:
            return self._fixed
        if self._pool.probability:
            random = stream(self._seed, iteration, group, "scripted opponent")
            if random.random() < self._pool.probability:
                return Agent(random.choice(self._pool.scripted), Kind.SCRIPTED)
        place = (match,) if self._buffer.draw == "match" else ()
        random = stream(self._seed, iteration, group, *place, "opponent")
        share = self._buffer.probability
        meets_past = random.random() < share
        if self._buffer.draw == "stratified":  # systematic sampling: one draw for all groups
            start = stream(self._seed, iteration, "past opponents").random()
            meets_past = floor(start + group * share) < floor(start + (group + 1) * share)
        if self.past and meets_past:
            name = past_agent(random.choice(self.past))
            return Agent(name, adapter=name)
        return LIVE

    def keep(self, iteration: int) -> None:
        """After so many iterations, put the learner into the buffer if it is time; a full buffer drops its oldest."""
        due = iteration % self._buffer.every == 0 and (iteration or self._buffer.from_start)
        if self.has_buffer and due:
            self._add(iteration, self._policy.weights())

    def weights(self) -> dict[int, dict[str, Tensor]]:
        """Those of the past agents, by the iteration after which they were kept."""
        return {iteration: self._policy.weights(past_agent(iteration)) for iteration in self.past}

    def restore(self, weights: Mapping[int, dict[str, Tensor]]) -> None:
        """Take the past agents of a checkpoint."""
        for iteration, kept in weights.items():
            self._add(iteration, kept)

    def _add(self, iteration: int, weights: dict[str, Tensor]) -> None:
        self._policy.put(past_agent(iteration), weights)
        if iteration not in self.past:  # a checkpoint has the first one again
            self.past.append(iteration)
        if len(self.past) > self._buffer.size:
            self._policy.drop(past_agent(self.past.pop(0)))


def past_agent(iteration: int) -> str:
    """Name of the adapter that holds the learner after an iteration."""
    return f"iteration-{iteration}"
