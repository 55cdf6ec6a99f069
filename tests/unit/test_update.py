"""A whole update against naive autograd: every token by itself, on full conversations, as the paper writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.credit_by_loops import Rows, loop_alignment, loop_leave_one_out, loop_returns
from tests.unit.mixed_adapters import DILEMMA
from tests.unit.training_run import RANDOM, metrics, run_training, training_settings
from torch import Tensor

from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.method.credit import CREDITS
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.rollout import Rollout, Rollouts
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run.ranks import ALONE, Ranks

GAME: dict[str, Any] = {"name": "split", "rounds": {"least": 1, "most": 5}}
# Large steps, so that the second update begins far from the reference model.
SETTINGS: dict[str, Any] = {
    **{"iterations": 2, "learning_rate": 0.2, "micro_batch_tokens": 400, "group_size": 2},
    **{"temperature": 0.8, "kl_coefficient": 0.1, "entropy_coefficient": 0.05},
}
VARIANTS: dict[str, dict[str, Any]] = {
    **{credit: {"credit": credit} for credit in CREDITS},
    "neither KL nor entropy term": {"kl_coefficient": 0.0, "entropy_coefficient": 0.0},
    "reverse KL": {"kl_estimator": "reverse"},
    "baseline of the whole batch": {"baseline": "batch"},
    "adapter not merged": {"merge_adapter": False},
    "other micro-batches": {"micro_batch_tokens": 300, "activation_checkpointing": True},
    "against a fixed opponent": {"opponent": RANDOM},
}


def naive_credit(rollout: Rollout, settings: TrainingSettings) -> Rows:
    """Credit of every row and round by the formulas of the paper."""
    results, scale = rollout.results, settings.reward_scale
    rounds = max(len(result.rewards) for result in results)
    ids = [result.group for result in results]
    if settings.baseline == "batch":
        ids = [group % 2 for group in ids]  # the seat

    def advantages(rewards: Rows) -> Rows:
        scaled = [[each / scale for each in row] + [0.0] * (rounds - len(row)) for row in rewards]
        return loop_leave_one_out(loop_returns(scaled, settings.discount), ids)

    own = advantages([result.rewards for result in results])
    other = advantages([result.rewards_opponent for result in results])
    match settings.credit:
        case "naive":
            return own
        case "sum_of_rewards":
            return [
                [sum(each) for each in zip(*pair, strict=True)]
                for pair in zip(own, other, strict=True)
            ]
        case credit:
            current = credit == "advantage_alignment_current"
            got = credit == "advantage_alignment_past"
            return loop_alignment(own, other, settings.beta, settings.discount, current, got)


def naive_loss(
    policy: Policy, base: LanguageModel, rollout: Rollout, settings: TrainingSettings
) -> Tensor:
    """The loss, token by token, without cache, padding, merged weights or micro-batches."""
    credit = naive_credit(rollout, settings)
    terms = []
    for row, trajectory in enumerate(rollout.trajectories):
        tokens = torch.tensor([trajectory.tokens])
        logits = policy.model(tokens).logits[0] / settings.temperature  # (length, vocabulary)
        with torch.no_grad():
            base_logits = base.model(tokens).logits[0] / settings.temperature
        for position, state, t in zip(
            trajectory.positions, trajectory.states, trajectory.rounds, strict=True
        ):
            options = policy.masks.allowed[state].nonzero()[:, 0].tolist()
            chosen = options.index(trajectory.tokens[position])
            log_pi = logits[position - 1, options].log_softmax(-1)  # (options,)
            difference = base_logits[position - 1, options].log_softmax(-1)[chosen] - log_pi[chosen]
            kl = difference.exp() - 1 - difference
            if settings.kl_estimator == "reverse":
                kl = difference**2 / 2
            entropy = -(log_pi.exp() * log_pi).sum()
            terms.append(
                -credit[row][t] * log_pi[chosen]
                + settings.kl_coefficient * kl
                - settings.entropy_coefficient * entropy
            )
    return torch.stack(terms).sum() / len(terms)


Gradients = dict[str, Tensor]


@contextmanager
def watched_updates(
    base: LanguageModel, settings: TrainingSettings
) -> Iterator[list[tuple[Rollout, Gradients, Gradients, float]]]:
    """Collects a training's rollouts, its gradients, and gradients and loss as they are naively computed."""
    updates: list[tuple[Rollout, Gradients, Gradients, float]] = []
    rollouts: list[Rollout] = []
    sample, step = Rollouts.sample, Learner.step

    def noting_sample(self: Rollouts, iteration: int) -> Rollout:
        rollouts.append(sample(self, iteration))
        return rollouts[-1]

    def noting_step(self: Learner, iteration: int, ranks: Ranks) -> float:
        model = self.policy.model
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        found = {name: each.grad.clone() for name, each in trained.items() if each.grad is not None}
        model.zero_grad()
        model.double()  # and back again, which changes no weight
        loss = naive_loss(self.policy, base, rollouts[-1], settings)
        gradients = torch.autograd.grad(loss, list(trained.values()))
        model.float()
        naive = dict(zip(trained, gradients, strict=True))
        updates.append((rollouts[-1], found, naive, loss.item()))
        for name, gradient in found.items():
            trained[name].grad = gradient.clone()
        return step(self, iteration, ranks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rollouts, "sample", noting_sample)
        patch.setattr(Learner, "step", noting_step)
        yield updates


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_update_is_that_of_naive_autograd(
    variant: str, base_model: Path, tmp_path: Path
) -> None:
    changes = {**SETTINGS, **VARIANTS[variant]}
    opponent = changes.pop("opponent", None)
    base = load_model(base_model, "cpu")
    base.model.double()
    with watched_updates(base, training_settings(**changes)) as updates:
        run_training(base_model, tmp_path, GAME, opponent=opponent, **changes)
    lengths, norms = set(), []
    for rollout, found, naive, _ in updates:
        lengths |= {len(result.rewards) for result in rollout.results}
        norms.append(float(torch.cat([each.flatten() for each in naive.values()]).norm()))
        assert found.keys() == naive.keys()
        assert len(found) == 2 * 7 * 2  # layers, linear maps, matrices
        for name, gradient in naive.items():
            torch.testing.assert_close(
                found[name].double(), gradient, rtol=1e-4, atol=1e-5 * norms[-1]
            )
    assert len(lengths) > 1
    rows, losses = metrics(tmp_path), [loss for *_, loss in updates]
    assert rows["loss"].tolist() == pytest.approx(losses, rel=1e-4, abs=1e-6)
    assert rows["gradient_norm"].tolist() == pytest.approx(norms, rel=1e-4)
    assert rows["kl"].iloc[1] > 0.01


@pytest.mark.parametrize("decay", ["none", "linear"])
def test_a_step_is_that_of_adam_with_the_clipped_gradient(decay: str, base_model: Path) -> None:
    """Adam's first step is as long as the learning rate, in every direction that has a gradient."""
    settings = training_settings(learning_rate_decay=decay, max_grad_norm=0.5)
    for iteration, share in enumerate((1, 0.75, 0.5, 0.25)):
        policy = Policy(load_model(base_model, "cpu"), DILEMMA)
        learner = Learner(policy, settings, seed=0)
        trained = [each for each in policy.model.parameters() if each.requires_grad]
        before = [each.detach().clone() for each in trained]
        for parameter in trained:
            parameter.grad = torch.ones_like(parameter)
        norm = sum(each.numel() for each in trained) ** 0.5
        assert learner.step(iteration, ALONE) == pytest.approx(norm)
        rate = 0.01 * (share if decay == "linear" else 1)
        for old, parameter in zip(before, trained, strict=True):
            torch.testing.assert_close(
                old - parameter, torch.full_like(old, rate), atol=1e-6, rtol=0
            )
        kept = learner.checkpoint(iteration, "").optimizer
        averages = [value for name, value in kept.items() if name.endswith("/exp_avg")]
        clipped = torch.cat([each.flatten() for each in averages]).norm() / (1 - 0.9)
        assert clipped.item() == pytest.approx(0.5, rel=1e-4)
