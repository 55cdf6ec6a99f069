"""Sections about matches of agents that no longer learn."""

from typing import Annotated, Literal

from pydantic import Field

from social_dilemmas.config.schema.section import (
    Count,
    EvenCount,
    Names,
    Pair,
    Positive,
    Section,
    Share,
    partial,
)
from social_dilemmas.config.schema.training import Vllm


class EvaluationVllm(Vllm):
    """The vLLM server of the evaluation's `sampler: vllm`: a job's own, or one that jobs share."""

    base_urls: Names = []
    """addresses of servers that `make serve` has started, such as `http://127.0.0.1:8000`, which jobs share: each takes
    the first that has its model and its game; `[]`: every job starts a server of its own"""


class Evaluation(Section):
    """Cross-play of all agents."""

    opponents: Names
    """scripted players that take part, beside the trained agents and the warm-started model"""
    matches: EvenCount = 32
    """matches of each pair of agents; even, as every second one repeats the one before with swapped seats"""
    batch: Count = 256
    """matches that are played at once; limits memory"""
    merge_adapter: bool = True
    """compute with adapters merged into the weights, which is faster for small models; models in half precision never
    do"""
    sampler: Literal["trainer", "vllm"] = "trainer"
    """what samples for agents that are language models, here and wherever replies are sampled as here: `trainer`, the
    model itself as in training, or `vllm`, a server"""
    vllm: EvaluationVllm = EvaluationVllm()
    """that server, used with `sampler: vllm` only"""
    temperature: Positive = 1.0
    """of sampling"""
    max_new_tokens: Count = 12
    """most tokens of a reply"""


PartialEvaluation = partial(Evaluation)


class Transcripts(Section):
    """Matches to be read word for word, in the report; replies are sampled as in `evaluation`."""

    matches: Count = 8
    """matches of each pair; every second one repeats the one before with swapped seats"""
    pairs: list[Pair] = []
    """pairs of agents: names of algorithms (the first of the `seeds` plays), `warm_start`, scripted players"""


PartialTranscripts = partial(Transcripts)


class Disturbances(Section):
    """Agents with copies of themselves whose hands slip or whose messages are lost; sampled as in `evaluation`."""

    slip_round: Count | None = None
    """round, from 1, in which the first player's hand slips once, to the greedy action; `null`: the third, or the last
    but one of games with fewer than four"""
    tremble: Share = 0.05
    """where hands tremble all the time: probability that an action is replaced by any valid one"""
    matches: Annotated[int, Field(ge=4, multiple_of=2)] = 32
    """matches of each agent under each condition; every second one repeats the one before with swapped seats"""


PartialDisturbances = partial(Disturbances)


class Tournament(Section):
    """A round-robin in every game of the kind `prisoners_dilemma`, with strategies of the Axelrod library."""

    strategies: Names = ["all"]
    """strategies by their names in the library; `all` stands for all 221 that are suitable (listed in
    `workflow/scripts/social_dilemmas/agents/axelrod`); `[]`: no tournament"""
    matches: EvenCount = 10
    """matches of each pair; even, as every second one repeats the one before with swapped seats"""
    batch: Count = 512
    """matches that are played at once; limits memory"""
