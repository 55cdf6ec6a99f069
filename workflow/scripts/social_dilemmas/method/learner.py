"""What a training run changes: the learner's adapter, its optimiser, the critic, and the past agents."""

import torch
from torch.optim import Optimizer

from social_dilemmas.agents.agent import Agent
from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.method.critic import Critic
from social_dilemmas.method.opponents import OpponentPool
from social_dilemmas.method.step import finite_step
from social_dilemmas.policy.activation_checkpointing import enable_activation_checkpointing
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.policy import Policy
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.checkpoint import Checkpoint, moments, restore_moments
from social_dilemmas.run.ranks import Ranks


class Learner:
    """The state of a run, which a checkpoint holds; `policy` is the model with all adapters."""

    def __init__(
        self,
        policy: Policy,
        settings: TrainingSettings,
        seed: int,
        opponent: Agent | None = None,
        name: str = LEARNER,
    ) -> None:
        """A learner that plays like the base model; its adapter has this name.

        Raises UserError if the opponent's adapter isn't there or doesn't fit, or the model can't do what is wanted.
        """
        self.policy = policy
        self.name = name
        self.settings = settings
        self._parameters = policy.add_learner(
            rank=settings.lora_rank,
            alpha=settings.lora_alpha,
            seed=derive_seed(seed, "adapter"),
            name=name,
        )
        if settings.activation_checkpointing:
            enable_activation_checkpointing(policy.language_model.model)
        if opponent is not None and opponent.on_model and opponent.adapter:
            policy.load(opponent.adapter)
        self.pool = OpponentPool(policy, settings, seed, opponent)
        self.pool.keep(0)
        self._optimizer: Optimizer = torch.optim.Adam(
            self._parameters.values(), lr=settings.learning_rate
        )
        self.critic: Critic | None = None
        if settings.baseline == "critic":
            width = policy.model.config.get_text_config().hidden_size
            self.critic = Critic(width, settings.critic)

    def zero_grad(self) -> None:
        """Forget the gradient of the last iteration."""
        self._optimizer.zero_grad()

    def step(self, iteration: int, ranks: Ranks) -> float:
        """One optimiser step with the gradients of all ranks; gives the gradient's norm before clipping.

        Raises as `finite_step`.
        """
        settings = self.settings
        if settings.learning_rate_decay == "linear":
            for group in self._optimizer.param_groups:
                group["lr"] = settings.learning_rate * (1 - iteration / settings.iterations)
        ranks.all_reduce_gradients(self._parameters.values())
        parameters = self._parameters.values()
        return finite_step(
            self._optimizer,
            parameters,
            settings.max_grad_norm,
            f"iteration {iteration}",
            "a learning rate is too high or reward_scale too low",
        )

    def checkpoint(self, iteration: int, metrics: str) -> Checkpoint:
        """The state after so many iterations, with the metrics so far."""
        return Checkpoint(
            iteration=iteration,
            learner=self.policy.weights(self.name),
            optimizer=moments(self._optimizer, self._parameters),
            past_agents=self.pool.weights(),
            metrics=metrics,
            critic=self.critic.state() if self.critic else {},
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.policy.put(self.name, checkpoint.learner)
        restore_moments(self._optimizer, self._parameters, checkpoint.optimizer)
        if self.critic:
            self.critic.restore(checkpoint.critic)
        self.pool.restore(checkpoint.past_agents)
