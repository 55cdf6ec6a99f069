"""What the implementation's choices buy: ratios measured within one run, alternating, as medians.

Absolute times say little on a busy machine, ratios of runs that take turns say more. Nothing here has
a threshold.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig

from social_dilemmas.agents.agent import WARM_START, Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.config.schema.models import EmbeddedModel
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory, collate

MODEL = EmbeddedModel(
    name="benchmark",
    kind="embedded",
    seed=0,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=128,
    merges=128,
)
MATCHES, GROUP, ROUNDS = 16, 8, 10
GAME = "trust_and_split"  # messages and proposals, seats that speak at different times
TURNS, REPLY = 10, 8  # of the comparison with `generate`, whose replies all have one length
SECONDS = 6.0  # for each comparison

Measured = Callable[[], int]  # does the work once and gives the number of tokens


def compare(title: str, ways: Mapping[str, Measured]) -> None:
    """Run the ways in turn for a while and print medians, tokens a second, and ratios to the first."""
    for way in ways.values():
        way()  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    tokens: dict[str, int] = {}
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or min(map(len, seconds.values())) < 3:
        for name, way in ways.items():
            begin = time.perf_counter()
            tokens[name] = way()
            seconds[name].append(time.perf_counter() - begin)
    print(f"\n{title}")
    first = next(iter(ways))
    for name, times in seconds.items():
        ratios = [own / other for own, other in zip(times, seconds[first], strict=True)]
        print(
            f"  {name:<44} {statistics.median(times) * 1000:8.1f} ms "
            f"{tokens[name] / statistics.median(times):9.0f} tokens/s "
            f"  x {statistics.median(ratios):.2f}  ({len(times)} runs)"
        )


def sampled(
    policy: Policy,
    adapters: Sequence[str | None] = (None,),
    merge: bool = False,
    share: bool = True,
    temperature: float = 1.0,
) -> list[Trajectory]:
    """Trajectories of both seats of a batch of matches, each between two agents under one of the adapters."""
    matches = [policy.game.start(number // GROUP) for number in range(MATCHES)]
    agents = [Agent(each or WARM_START, adapter=each) for each in adapters]
    seats = [(agents[i % len(agents)], agents[i % len(agents)]) for i in range(MATCHES)]
    sampler = PolicySampler(
        policy,
        in_order(0),
        temperature=temperature,
        max_new_tokens=12,
        merge_adapter=merge,
        share=share,
    )
    player = play_batch(matches, seats, Players(policy.game), sampler)
    assert player is not None
    return [player.trajectory(match, seat) for match in matches for seat in SEATS]


def length(trajectories: list[Trajectory]) -> int:
    return sum(len(trajectory.tokens) for trajectory in trajectories)


def fixed_conversations(
    language_model: LanguageModel, generate: Callable[[Tensor, int], Tensor]
) -> int:
    """Conversations of one prompt over and over; `generate` appends REPLY tokens."""
    chat: ChatFormat = language_model.chat
    conversation = torch.tensor([chat.opening("How many coins do you ask for?")] * 2 * MATCHES)
    following = torch.tensor([chat.following("How many coins do you ask for?")] * 2 * MATCHES)
    read = 0
    for turn in range(TURNS):
        if turn:
            conversation = torch.cat([conversation, following], dim=1)
        length_before = conversation.shape[1]
        conversation = generate(conversation, read)
        read = length_before + REPLY - 1
    return conversation.numel()


def read_anew(language_model: LanguageModel) -> Measured:
    """Every turn by `generate` of transformers, which reads the whole conversation again."""
    limits = {"max_new_tokens": REPLY, "min_new_tokens": REPLY}
    padding = language_model.tokenizer.pad_token_id
    settings = GenerationConfig(do_sample=True, top_k=0, pad_token_id=padding, **limits)

    def generate(conversation: Tensor, read: int) -> Tensor:
        mask = torch.ones_like(conversation)
        grown: Tensor = language_model.model.generate(
            conversation, attention_mask=mask, generation_config=settings
        )
        return grown

    return lambda: fixed_conversations(language_model, generate)


def cache_kept(language_model: LanguageModel) -> Measured:
    """The same tokens through the ragged cache, which is kept from turn to turn."""

    @torch.inference_mode()
    def run() -> int:
        cache = RaggedCache(language_model.model.config)
        rows = slice(0, 2 * MATCHES)

        def generate(conversation: Tensor, read: int) -> Tensor:
            for _ in range(REPLY):
                fresh = conversation[:, read:]
                positions = torch.arange(read, conversation.shape[1]).expand_as(fresh)
                logits = language_model.model(
                    input_ids=fresh,
                    attention_mask=cache.place(rows, positions),
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                ).logits[:, -1]
                drawn = torch.multinomial(logits.float().softmax(-1), 1)
                read = conversation.shape[1]
                conversation = torch.cat([conversation, drawn], dim=1)
            return conversation

        return fixed_conversations(language_model, generate)

    return run


def update(policy: Policy, trajectories: list[Trajectory], merge: bool) -> int:
    """Forward and backward pass over all trajectories."""
    batch = collate(trajectories)
    policy.model.zero_grad()
    with adapted_layers(policy.model, merge):
        log_probabilities, _ = action_log_probabilities(policy.model, batch, policy.masks.allowed)
    log_probabilities.sum().backward()
    return length(trajectories)


def apart(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The trajectories with nothing in common: each begins with another token."""
    return [
        replace(
            each, tokens=[number, *each.tokens], positions=[place + 1 for place in each.positions]
        )
        for number, each in enumerate(trajectories)
    ]


def compare_sharing(policy: Policy, agent: str, temperature: float) -> None:
    """What it buys to compute once what conversations have in common."""
    trajectories = sampled(policy, temperature=temperature)
    nodes = len(collate(trajectories).tree)
    heading = f"{agent}: {length(trajectories) / nodes:.1f} tokens for each that differs"
    compare(
        f"sampling, {heading}",
        {
            "shared": lambda: length(sampled(policy, temperature=temperature)),
            "separate": lambda: length(sampled(policy, temperature=temperature, share=False)),
        },
    )
    separate = apart(trajectories)
    compare(
        f"one update, {heading}",
        {
            "shared": lambda: update(policy, trajectories, False),
            "separate": lambda: update(policy, separate, False),
        },
    )


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    game = build_game(GAME, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write_base_model(MODEL, *game_texts([{"name": GAME}]), path)
        plain, adapted = (Policy(load_model(path, "cpu"), game) for _ in range(2))
    adapted.add_learner(rank=8, alpha=16.0, seed=0)
    for name in ("second", "third"):
        adapted.put(name, adapted.weights())
    parameters = sum(parameter.numel() for parameter in plain.model.parameters())
    print(f"model of {parameters:,} parameters, one thread, {2 * MATCHES} conversations")
    compare(
        f"sampling {TURNS} turns of {REPLY} tokens",
        {
            "cache kept over turns": cache_kept(plain.language_model),
            "transformers generate, reading anew": read_anew(plain.language_model),
        },
    )
    compare_sharing(plain, "undecided", temperature=1.0)
    compare_sharing(plain, "decided", temperature=0.001)
    trajectories = sampled(plain)
    compare(
        "one update, forward and backward",
        {
            "adapter merged into one matrix": lambda: update(adapted, trajectories, True),
            "adapter beside the matrix": lambda: update(adapted, trajectories, False),
        },
    )
    three = (LEARNER, "second", "third")
    compare(
        f"sampling {MATCHES} matches of {GAME}",
        {
            "one adapter, merged": lambda: length(sampled(adapted, [LEARNER], merge=True)),
            "one adapter, not merged": lambda: length(sampled(adapted, [LEARNER])),
            "three adapters, merged": lambda: length(sampled(adapted, three, merge=True)),
            "three adapters, not merged": lambda: length(sampled(adapted, three)),
            "no adapter": lambda: length(sampled(plain)),
        },
    )


if __name__ == "__main__":
    main()
