"""What the implementation's choices buy: ratios measured within one run, alternating, as medians.

Absolute times say little on a busy machine, ratios of runs that take turns say more. Nothing here has
a threshold.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.games import build_game
from social_dilemmas.policy.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    folded,
    put_adapter,
)
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.policy.trajectory import Trajectory, collate

MODEL = SimpleNamespace(
    kind="embedded",
    seed=0,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=128,
    merges=128,
)
MATCHES, ROUNDS = 16, 10
GAME = "trust_and_split"  # messages and proposals, seats that speak at different times
TURNS, REPLY = 10, 8  # of the comparison with `generate`, whose replies all have one length
SECONDS = 6.0  # for each comparison

Measured = Callable[[], int]  # does the work once and says how many tokens it dealt with


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


@cache
def masks_of(language_model: LanguageModel) -> TokenMasks:
    return language_model.masks(build_game(GAME, ROUNDS))


def sampled(language_model: LanguageModel, **options: object) -> list[Trajectory]:
    """Trajectories of both seats of a batch of matches."""
    game = build_game(GAME, ROUNDS)
    player = LanguageModelPlayer(
        language_model.model,
        language_model.chat,
        masks_of(language_model),
        streams_in_order(0),
        max_new_tokens=12,
        **options,  # type: ignore[arg-type]
    )
    matches = [game.start(seed) for seed in range(MATCHES)]
    play(matches, [(player, player)] * MATCHES)
    return [player.trajectory(match, seat) for match in matches for seat in (0, 1)]


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
    settings = GenerationConfig(
        do_sample=True,
        max_new_tokens=REPLY,
        min_new_tokens=REPLY,
        pad_token_id=language_model.padding,
        top_k=0,
    )

    def generate(conversation: Tensor, read: int) -> Tensor:
        grown: Tensor = language_model.model.generate(
            conversation,
            attention_mask=torch.ones_like(conversation),
            generation_config=settings,
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


def update(
    language_model: LanguageModel, model: PeftModel, trajectories: list[Trajectory], fold: bool
) -> int:
    """Forward and backward pass over all trajectories."""
    masks = masks_of(language_model)
    batch = collate(trajectories, language_model.padding)
    model.zero_grad()
    with folded(model, fold):
        log_probabilities, _ = action_log_probabilities(model, batch, masks.allowed)
    log_probabilities.sum().backward()
    return length(trajectories)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write_base_model(MODEL, *game_texts([{"name": GAME}]), path)
        plain, adapted = load_model(path, "cpu"), load_model(path, "cpu")
        model = attach_learner(adapted, rank=8, alpha=16, seed=0)
        for name in ("second", "third"):
            put_adapter(model, adapter_weights(model), name)
    adapted = LanguageModel(model, adapted.chat, path)
    parameters = sum(parameter.numel() for parameter in plain.model.parameters())
    print(f"model of {parameters:,} parameters, one thread, {2 * MATCHES} conversations")
    compare(
        f"sampling {TURNS} turns of {REPLY} tokens",
        {
            "cache kept over turns": cache_kept(plain),
            "transformers generate, reading anew": read_anew(plain),
        },
    )
    trajectories = sampled(plain)
    compare(
        "one update, forward and backward",
        {
            "adapter folded into one matrix": lambda: update(adapted, model, trajectories, True),
            "adapter as PEFT computes it": lambda: update(adapted, model, trajectories, False),
        },
    )

    def on_folded() -> int:
        with torch.no_grad(), folded(model):
            return length(sampled(adapted))

    names = (LEARNER, "second", "third")

    def on_three_folded() -> int:
        with torch.no_grad(), folded(model, adapters=names):
            return length(sampled(adapted, adapter_of=lambda turn: names[turn.match.seed % 3]))

    compare(
        f"sampling {MATCHES} matches of {GAME}",
        {
            "one adapter, folded": on_folded,
            "one adapter, as PEFT computes it": lambda: length(sampled(adapted)),
            "one adapter, named for every row": lambda: length(
                sampled(adapted, adapter_of=lambda turn: LEARNER)
            ),
            "three adapters mixed in the batch, folded": on_three_folded,
            "three adapters mixed in the batch": lambda: length(
                sampled(adapted, adapter_of=lambda turn: names[turn.match.seed % 3])
            ),
            "no adapter": lambda: length(sampled(plain)),
        },
    )


if __name__ == "__main__":
    main()
