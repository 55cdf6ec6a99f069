"""Sections about supervised learning."""

from typing import Annotated, Literal

from pydantic import Field

from social_dilemmas.config.schema.section import (
    Count,
    Positive,
    Section,
    Share,
    Size,
    Text,
    partial,
)


class Primer(Section):
    """Supervised learning before the rest of a warm start.

    From short matches of players that all do the same a model learns to read a game's numbers, which it doesn't from
    those of a population in the same time.
    """

    population: Annotated[dict[str, Positive], Field(min_length=1)]
    """whose play is imitated, as in the `warm_start`"""
    noise: Share = 0.0
    """probability that a choice of these players is replaced by a random one"""
    rounds: Count = 1
    """rounds of these matches"""
    steps: Count
    """optimiser steps, with a schedule of their own"""
    matches: Count = 32
    """new matches at each step"""


class WarmStart(Section):
    """Supervised learning on matches of a population of scripted players."""

    population: dict[str, Positive]
    """whose play is imitated: weights by the names of scripted players (listed in
    `workflow/scripts/social_dilemmas/agents/scripted`); may be `{}` if `steps` is 0"""
    noise: Share = 0.08
    """probability that a choice of these players is replaced by a random one"""
    steps: Size
    """optimiser steps; 0: no warm start, training begins with the base model as it is"""
    matches: Count = 32
    """new matches at each step"""
    learning_rate: Positive = 0.003
    """peak learning rate of AdamW; linear warm-up, then linear decay at the end"""
    primer: Primer | None = None
    """what is learned before; `null`: nothing"""
    method: Literal["full", "lora"] = "full"
    """`full`: train all weights; `lora`: train a LoRA adapter and merge it into the model, which rounds it if its
    weights are in half precision"""
    lora_rank: Count = 8
    """rank of that adapter (`lora` only)"""
    lora_alpha: Positive = 16.0
    """that adapter is scaled by `lora_alpha` / `lora_rank` (`lora` only)"""
    max_new_tokens: Count = 12
    """most tokens of a reply when the behaviour is measured"""
    micro_batch_tokens: Count = 65536
    """most tokens that a forward and backward pass computes, what its conversations have in common once; limits
    memory"""
    evaluation_matches: Count = 128
    """matches on which the resulting behaviour is measured"""


PartialWarmStart = partial(WarmStart)


class Clone(Section):
    """A clone: supervised learning of one scripted player's replies, from the warm-started model on."""

    player: Text
    """the scripted player; it meets the population of the game's `warm_start`, and doesn't slip"""
    steps: Count = 50
    """optimiser steps, each on new matches, as many as the warm start's"""
    learning_rate: Positive = 0.003
    """peak learning rate of AdamW, with the schedule of the warm start"""
    lora_rank: Count = 8
    """rank of the adapter, which is on all linear layers"""
    lora_alpha: Positive = 16.0
    """the adapter is scaled by `lora_alpha` / `lora_rank`"""
