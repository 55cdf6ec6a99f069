"""Two learners at once: adapters of their own on one base model, each with its own algorithm, that play each other.

Self-play trains both seats' player as one; here each learner adapts to another that adapts to it, as opponent shaping
has it (Foerster et al. 2018, arXiv 1709.04326; Duque et al. 2025, arXiv 2406.14662). Every match is between the two.
To each of them the other is what a fixed opponent is in `train.py`; only that it learns from the same matches.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import LEARNERS, Agent
from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.games import game_of
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.rollout import Rollouts
from social_dilemmas.method.train import learn, open_run
from social_dilemmas.policy.adapters import save_adapter
from social_dilemmas.policy.context import check_context
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.checkpoint import Checkpoint, joined
from social_dilemmas.run.progress import Progress
from social_dilemmas.run.ranks import ALONE, Ranks
from social_dilemmas.run.shortage import TRAINING_ADVICE, shortage_reported

FIRST, SECOND = LEARNERS


def train_pair(
    *,
    model: Path,
    game: Mapping[str, Any],
    settings: Sequence[TrainingSettings],
    seed: int,
    output: Path,
    code: str = "",
    ranks: Ranks = ALONE,
) -> None:
    """Train two agents against each other; interrupted runs resume as in `train`, whose arguments and errors these are.

    `settings` are those of both, alike but for credit. `output` takes `first/adapter/`, `second/adapter/`,
    `config.yaml` and `metrics.csv`, which has a row for each learner (1 and 2) in each iteration.
    """
    policy = Policy(load_model(model), game_of(game))
    # Matches are drawn as the first one's, all of them against the second; what the second would draw is never asked.
    second = Learner(policy, settings[1], derive_seed(seed, SECOND), Agent(FIRST), name=SECOND)
    first = Learner(policy, settings[0], seed, Agent(SECOND, adapter=SECOND))
    learners = dict(zip(LEARNERS, (first, second), strict=True))
    check_context(policy, first.settings.max_new_tokens)

    def checkpoint(iteration: int, metrics: str) -> Checkpoint:
        return joined(
            {name: each.checkpoint(iteration, metrics) for name, each in learners.items()}
        )

    def restore(saved: Checkpoint) -> None:
        for name, learner in learners.items():
            learner.restore(saved.part(name))

    by_name = dict(zip(LEARNERS, settings, strict=True))
    run = open_run(model, game, by_name, seed, output, code, ranks)
    start = run.resume(restore)
    with (
        shortage_reported(output, TRAINING_ADVICE),
        Rollouts(first, game, seed=seed, folder=output, ranks=ranks) as rollouts,
        Progress(first.settings.iterations, run.label, done=start) as progress,
    ):
        for iteration in range(start, first.settings.iterations):
            begin = time.perf_counter()
            with run.saved_on_failure(partial(checkpoint, iteration)):
                both = rollouts.sample_for_both(iteration)
            seconds = time.perf_counter() - begin
            # Neither step changes the other's gradient, so it doesn't matter that one comes first.
            for number, (learner, rollout) in enumerate(zip((first, second), both, strict=True), 1):
                policy.activate(learner.name)
                row = learn(learner, rollout, iteration, ranks, seconds)
                words = run.log({"iteration": iteration, "learner": number, **row})
            progress.advance(words)
            if (iteration + 1) % first.settings.checkpoint_every == 0:
                run.save(checkpoint(iteration + 1, run.metrics))
    if ranks.is_main:
        for name, learner in learners.items():
            save_adapter(policy.model, model, output / name / "adapter", learner.name)
        run.finish()
