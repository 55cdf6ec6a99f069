"""What training does to a model otherwise: how well it still predicts ordinary English."""

from collections.abc import Sequence
from math import exp
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from social_dilemmas.agents.agent import Agent
from social_dilemmas.evaluation.sampling import load_policy
from social_dilemmas.games import Entry, game_of
from social_dilemmas.policy.policy import Policy

ENGLISH = Path(__file__).with_name("english.txt")
"""Ten paragraphs of plain English, written for this project."""


def measure_perplexity(
    *, model: Path, agents: Sequence[Agent], game: Entry, text: str, output: Path
) -> None:
    """Write the perplexity of a text under each agent's adapter as CSV: columns agent, seed, tokens, perplexity.

    Every paragraph is read by itself; `tokens` are those that are predicted, all but the first of each. Raises
    UserError if the model or an adapter isn't there.
    """
    policy = load_policy(model, game_of(game), agents)
    tokenizer = policy.language_model.tokenizer
    paragraphs = [
        torch.tensor(tokenizer.encode(paragraph), device=policy.model.device)
        for paragraph in text.strip().split("\n\n")
    ]
    tokens = sum(len(paragraph) - 1 for paragraph in paragraphs)
    rows = []
    for agent in agents:
        nats = surprise(policy, agent, paragraphs) / tokens
        of = {"agent": agent.name, "seed": agent.seed, "tokens": tokens}
        rows.append({**of, "perplexity": exp(nats)})
    pd.DataFrame(rows).to_csv(output, index=False)


@torch.inference_mode()
def surprise(policy: Policy, agent: Agent, paragraphs: Sequence[Tensor]) -> float:
    """The sum over all paragraphs, (tokens,) each, of what their tokens cost an agent, in nats."""
    with policy.under(agent.adapter):
        return sum(
            float(
                cross_entropy(
                    policy.model(tokens[None]).logits[0, :-1].float(), tokens[1:], reduction="sum"
                )
            )
            for tokens in paragraphs
        )
