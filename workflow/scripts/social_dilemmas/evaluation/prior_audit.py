"""What a model does before any training: how likely it cooperates, whatever the actions are called.

A model may prefer a letter, or what is named first, to what that stands for. So the same situations are told with every
naming and in every order of the actions.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from social_dilemmas.games import game_of
from social_dilemmas.games.matrix_game import MatrixGame
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory, collate

SITUATIONS = {"start": (), **{own + other: (own, other) for own, other in product("CD", "CD")}}
"""The first round, and the second after what the player and the other did in the first."""


def audit_prior(
    *, model: Path, game: Mapping[str, Any], tellings: Sequence[Mapping[str, Any]], output: Path
) -> None:
    """Write the probability of cooperating in all situations, under each telling of a matrix game, as CSV.

    A telling is rules that say how the game is told; the first of its two actions cooperates.

    Columns of `output`: cooperates and defects (the names of the actions), listed_first, situation (of `SITUATIONS`),
    probability.

    Raises:
        UserError: the model isn't there, or can't be told the game.
    """
    language_model = load_model(model)
    rows = []
    for telling in tellings:
        told = {**game, "rounds": 2, "rules": {**game.get("rules", {}), **telling}}
        policy = Policy(language_model, game_of(told))
        assert isinstance(policy.game, MatrixGame)
        cooperates, defects = policy.game.actions_in(0)
        names = {"cooperates": cooperates, "defects": defects}
        names["listed_first"] = policy.game.order[0]
        for situation, probability in cooperation(policy).items():
            rows.append({**names, "situation": situation, "probability": probability})
    pd.DataFrame(rows).to_csv(output, index=False)


@torch.no_grad()
def cooperation(policy: Policy) -> dict[str, float]:
    """The probability of a matrix game's first action in each situation, at temperature 1, over valid replies only."""
    batch = collate(
        [_conversation(policy, played) for played in SITUATIONS.values()], policy.model.device
    )
    scores, _ = action_log_probabilities(policy.model, batch, policy.masks.allowed)  # (chosen,)
    last = [len(played) // 2 for played in SITUATIONS.values()]  # the round in which it is asked
    decisive = batch.round == torch.tensor(last, device=scores.device)[batch.conversation]
    summed = torch.zeros(len(SITUATIONS), dtype=scores.dtype, device=scores.device)
    summed.index_add_(0, batch.conversation[decisive], scores[decisive])
    return dict(zip(SITUATIONS, summed.exp().tolist(), strict=True))


def _conversation(policy: Policy, played: Sequence[str]) -> Trajectory:
    """Seat 0's conversation up to where it cooperates, after a round in which both did this (C or D), if any."""
    assert isinstance(policy.game, MatrixGame)
    match, trajectory = policy.game.start(0), Trajectory()
    replies = {
        letter: policy.game.grammar.write({"action": name})
        for letter, name in zip("CD", policy.game.actions_in(0), strict=True)
    }
    for own, other in [played, "CC"] if played else ["CC"]:
        turn = match.turns()[0]
        trajectory.ask(turn, policy.chat, policy.masks)
        trajectory.answer(turn, replies[own], policy.masks)
        match.take({0: replies[own], 1: replies[other]})
    return trajectory
