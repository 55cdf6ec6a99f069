"""Sections about reinforcement learning."""

from typing import Annotated, Literal

from pydantic import Field

from social_dilemmas.config.schema.section import (
    Count,
    Name,
    Names,
    NonNegative,
    Positive,
    PositiveShare,
    Section,
    Share,
    Size,
    Text,
    partial,
)

Credit = Literal[
    "naive",
    "sum_of_rewards",
    "advantage_alignment",
    "advantage_alignment_current",
    "advantage_alignment_past",
]


class Algorithm(Section):
    """What training makes of the rewards."""

    name: Name
    """name in paths, tables and figures"""
    credit: Credit
    """`naive`: a player's own advantage; `sum_of_rewards`: the sum of both players'; `advantage_alignment`: arXiv
    2511.19405; `advantage_alignment_current`: its variant that includes the current round;
    `advantage_alignment_past`: by what was got in earlier rounds alone"""


class Critic(Section):
    """The learned critic of `baseline: critic`."""

    learning_rate: Positive = 0.01
    """learning rate of Adam"""
    steps: Count = 8
    """optimiser steps in every iteration"""
    gae_lambda: Share = 0.95
    """0 trusts the critic after one round, 1 uses the whole return (lambda of generalised advantage estimation)"""


class Vllm(Section):
    """The vLLM server of `sampler: vllm`."""

    python: Text | None = None
    """interpreter of an environment with vLLM; `null`: the job's own, as with `--use-conda`, or that of `make vllm`"""
    memory_share: PositiveShare = 0.5
    """share of the GPU's memory that the server takes; the rest is for the job itself"""
    context: Count | None = None
    """most tokens of a conversation on the server; `null`: the model's own limit"""
    start_timeout: Positive = 900.0
    """seconds in which the server must be ready"""
    request_timeout: Positive = 600.0
    """seconds that a reply may take; after that it is requested once more, then the server counts as lost: a training
    restarts it, other jobs end"""


LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # values that vLLM takes for --max-lora-rank


class Buffer(Section):
    """Past agents as opponents."""

    size: Size = 0
    """most past agents that are kept; 0: no buffer"""
    every: Count = 10
    """iterations from one kept agent to the next"""
    from_start: bool = False
    """whether the agent as it was before it learned anything is among them"""
    probability: Share = 0.5
    """probability that the opponent is a past agent"""
    draw: Literal["group", "stratified", "match"] = "group"
    """an opponent is drawn for each `group`; `stratified`: the same, but past agents meet exactly their share of an
    iteration's groups, as near as can be; or for each `match` (the published code's choice, which is biased)"""


class Pool(Section):
    """Scripted players as opponents, beside the learner itself: a mixed pool (Weis et al. 2026, arXiv 2602.16301)."""

    scripted: Names = []
    """scripted players, each as likely; `[]`: those of the warm start's `population`"""
    probability: Share = 0.0
    """probability that the opponent of a group is one of them; other groups are as they would be without them"""


class Preferences(Section):
    """What a player makes of both players' rewards in each round; the defaults are those of a selfish one."""

    angle: Annotated[float, Field(ge=-180, le=180)] = 0.0
    """its social value orientation in degrees: cos(`angle`) of its own reward and sin(`angle`) of the other's count"""
    envy: NonNegative = 0.0
    """what is taken off for each point by which the other is ahead (alpha of Fehr and Schmidt 1999)"""
    guilt: NonNegative = 0.0
    """what is taken off for each point by which it is ahead itself (beta of Fehr and Schmidt 1999)"""
    memory: Share = 0.0
    """0: who is ahead in a round is a matter of this round's rewards; else those of earlier rounds count as well, by
    `memory` x `discount` for each round (lambda of Hughes et al. 2018, arXiv 1803.08884)"""


class Training(Section):
    """Reinforcement learning of a LoRA adapter."""

    iterations: Count
    """iterations, each of new matches and one optimiser step, or `epochs` of them"""
    matches: Annotated[int, Field(ge=2)] = 64
    """matches of an iteration; a multiple of `group_size`"""
    group_size: Annotated[int, Field(ge=2)] = 8
    """matches that share all chance events"""
    baseline: Literal["group", "batch", "critic"] = "group"
    """what a return is compared with: the mean of the others in its `group`, that of the others of the whole `batch`
    in the same seat, or the value of a learned `critic` (generalised advantage estimation)"""
    critic: Critic = Critic()
    """the critic, used with `baseline: critic` only"""
    discount: Share
    """weight of a reward one round later (gamma)"""
    reward_scale: Positive
    """rewards are divided by this (c)"""
    preferences: Preferences = Preferences()
    """what a player makes of both players' rewards, before anything else is done with them"""
    normalise: Literal["none", "group_std"] = "none"
    """`group_std`: advantages are divided by their standard deviation in the group (GRPO, arXiv 2402.03300)"""
    beta: NonNegative
    """weight of the alignment term; it means something only together with `reward_scale`"""
    epochs: Count = 1
    """optimiser steps on the matches of an iteration; where there are several, they are clipped"""
    clip_ratio: Positive = 0.2
    """a token's probability gains nothing by changing further than by this factor from 1 in an iteration, used with
    several `epochs` only (PPO, arXiv 1707.06347)"""
    lora_rank: Count = 8
    """rank of the adapter, which is on all linear layers"""
    lora_alpha: Positive = 16.0
    """the adapter is scaled by `lora_alpha` / `lora_rank`"""
    learning_rate: Positive = 0.001
    """learning rate of Adam"""
    learning_rate_decay: Literal["none", "linear"] = "none"
    """`none`, or `linear` down to 0 over the iterations"""
    max_grad_norm: Positive = 1.0
    """the gradient's norm is clipped to this"""
    temperature: Positive = 1.0
    """of sampling, and of the probabilities in the loss"""
    max_new_tokens: Count = 12
    """most tokens of a reply"""
    micro_batch_tokens: Count = 8192
    """most tokens that a forward and backward pass computes, what its conversations have in common once; limits
    memory"""
    activation_checkpointing: bool = False
    """recompute activations in the backward pass instead of keeping them: less memory, more time"""
    world_size: Count = 1
    """processes on one machine that share a training, each with a GPU of its own where there are GPUs"""
    sampler: Literal["trainer", "vllm"] = "trainer"
    """what samples: `trainer`, the trained model itself, or `vllm`, a server that the training starts"""
    vllm: Vllm = Vllm()
    """that server, used with `sampler: vllm` only"""
    merge_adapter: bool = True
    """compute with the adapter merged into the weights, which is faster for small models; models in half precision
    never do"""
    kl_coefficient: NonNegative = 0.0
    """weight of the KL divergence from the warm-started model"""
    kl_estimator: Literal["forward", "reverse"] = "forward"
    r"""`forward`: the published one, whose gradient is that of KL(reference \|\| policy); `reverse`: the gradient is
    that of KL(policy \|\| reference)"""
    entropy_coefficient: NonNegative = 0.0
    """weight of an entropy bonus"""
    tremble: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """probability that an action, of either player, is replaced by any valid one when it is played; the learner gets no
    credit for such a one"""
    buffer: Buffer = Buffer()
    """past agents as opponents"""
    pool: Pool = Pool()
    """scripted players as opponents"""
    learning_seats: Literal["both", "one"] = "both"
    """where the learner meets itself, `both` seats of a match learn, or `one`, alternating by group; with past agents
    about, and with every other opponent, one does"""
    checkpoint_every: Count = 20
    """iterations from one checkpoint to the next; an interrupted run resumes from the last one"""


PartialTraining = partial(Training)
