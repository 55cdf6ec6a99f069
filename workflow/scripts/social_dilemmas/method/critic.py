"""A learned critic, for training with generalised advantage estimation in place of group baselines."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from social_dilemmas.config.schema.training import Critic as CriticSettings
from social_dilemmas.config.schema.training import Training
from social_dilemmas.games.game import SEATS
from social_dilemmas.method.credit import discounted_returns, generalized_advantages
from social_dilemmas.method.loss import micro_batches
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.policy.tree_attention import hidden_states
from social_dilemmas.run.checkpoint import moments, restore_moments


class Critic:
    """Expects the returns of both seats from what the learner knows when its round begins.

    A linear head on the policy's last hidden state where it is about to make its first choice of a round. It reads
    the policy and doesn't change it. It expects the other's return too, as Advantage Alignment needs the other's
    advantage, and what the other knows is out of reach where it is scripted or behind an API.

    Source: Schulman et al. 2015 (arXiv 1506.02438).
    """

    def __init__(self, hidden_size: int, settings: CriticSettings) -> None:
        self._head = torch.nn.Linear(hidden_size, len(SEATS))
        torch.nn.init.zeros_(self._head.weight)
        torch.nn.init.zeros_(self._head.bias)
        self._optimizer = torch.optim.Adam(self._head.parameters(), lr=settings.learning_rate)
        self._settings = settings

    def advantages(
        self, states: Tensor, played: Tensor, rewards: Tensor, discount: float
    ) -> tuple[Tensor, Tensor]:
        """Advantages of the learner and of the other, (rows, rounds) each, by what the critic expected.

        Afterwards it learns from these matches: `states` and `played` are as from `round_states`, `rewards` (rows,
        rounds, 2) the scaled ones of both seats.
        """
        with torch.no_grad():
            values = self._values(states, played)  # (rows, rounds, 2)
        ends = torch.zeros_like(values[:, :1])  # nothing is to come after the last round
        values = torch.cat((values, ends), dim=1)  # (rows, rounds + 1, 2)
        own, other = (
            generalized_advantages(
                rewards[..., seat], values[..., seat], discount, self._settings.gae_lambda
            )
            for seat in SEATS
        )
        returns = torch.stack(
            [discounted_returns(rewards[..., seat], discount) for seat in SEATS], dim=-1
        )  # (rows, rounds, 2)
        for _ in range(self._settings.steps):
            self._optimizer.zero_grad()
            mse_loss(self._values(states, played)[played], returns[played]).backward()
            self._optimizer.step()
        return own * played, other * played

    def _values(self, states: Tensor, played: Tensor) -> Tensor:
        values: Tensor = self._head(states) * played[..., None]
        return values

    def state(self) -> dict[str, Tensor]:
        """The head and its optimiser's moments, for a checkpoint."""
        parameters = dict(self._head.named_parameters())
        return {**self._head.state_dict(), **moments(self._optimizer, parameters)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        parameters = dict(self._head.named_parameters())
        self._head.load_state_dict({name: state[name] for name in parameters})
        restore_moments(self._optimizer, parameters, state)


@torch.no_grad()
def round_states(
    policy: Policy, trajectories: Sequence[Trajectory], rounds: int, settings: Training
) -> tuple[Tensor, Tensor]:
    """What the policy has in mind just before its first choice of every round, and which rounds were played.

    (rows, rounds, hidden) last hidden states in float32 on the CPU, zero past the end of a match; (rows, rounds) bool.
    """
    model = policy.model
    states = torch.zeros(len(trajectories), rounds, model.config.get_text_config().hidden_size)
    played = torch.zeros(len(trajectories), rounds, dtype=torch.bool)
    for rows in micro_batches(trajectories, settings.micro_batch_tokens):
        batch = collate([trajectories[row] for row in rows], model.device)
        hidden = hidden_states(model, batch.tree)  # (nodes, hidden)
        for row, path in zip(rows, batch.tree.paths, strict=True):
            trajectory = trajectories[row]
            choices = zip(trajectory.rounds, trajectory.positions, strict=True)
            places = dict(reversed(list(choices)))  # the first choice of each round stays
            played[row, list(places)] = True
            before = path[[position - 1 for position in places.values()]]  # (rounds,) nodes
            states[row, list(places)] = hidden[before].float().cpu()
    return states, played
