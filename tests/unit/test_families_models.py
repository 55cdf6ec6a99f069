"""Models of the published families: the base model, its cache, sampling and training, on tiny ones."""

import json
from itertools import product
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file
from tests.unit.conftest import PUBLISHED, SHAPE, WINDOW, BaseOf, Published
from tests.unit.mixed_adapters import ADAPTERS, DILEMMA, logits_of, with_two_adapters
from tests.unit.training_run import run_training, training_settings
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

from social_dilemmas.agents.agent import WARM_START, Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Turn
from social_dilemmas.method import train as train_module
from social_dilemmas.method.warm_start import run_warm_start
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler
from social_dilemmas.policy.template import dialogue, render
from social_dilemmas.randomness import derive_seed


@pytest.fixture(scope="module", params=PUBLISHED)
def base(request: pytest.FixtureRequest, base_of: BaseOf) -> LanguageModel:
    return base_of(request.param)


def mistral(base_of: BaseOf) -> LanguageModel:
    """A model that has sliding layers only."""
    torch.manual_seed(0)
    config = MistralConfig(**SHAPE, vocab_size=400, num_hidden_layers=2, sliding_window=5)
    qwen = base_of("qwen2")
    return LanguageModel(MistralForCausalLM(config).eval(), qwen.chat, qwen.path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_base_model_is_the_published_language_model(
    name: str, published: Published, base_of: BaseOf
) -> None:
    base = base_of(name)
    whole = AutoModelForCausalLM.from_pretrained(published(name)).eval()
    tokens = torch.randint(20, 300, (2, 50), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(base.model(tokens).logits, whole(tokens).logits)
    weights = load_file(base.path / "model.safetensors")
    assert not [key for key in weights if "vision" in key or "projector" in key]
    # Whoever reads the directory gets the same: transformers itself, and all that asks config.json.
    read = AutoModelForCausalLM.from_pretrained(base.path)
    assert type(read) is type(base.model)
    stated = json.loads((base.path / "config.json").read_text())
    assert stated["architectures"] == [type(read).__name__]
    assert stated["vocab_size"] == base.model.config.vocab_size == whole.lm_head.weight.shape[0]
    assert {"hidden_size", "num_hidden_layers"} <= stated.keys()
    # Nobody is told to sample otherwise than the workflow does.
    sampling = read.generation_config
    assert (sampling.do_sample, sampling.temperature) == (True, 1.0)
    assert (sampling.top_k, sampling.top_p, sampling.repetition_penalty) == (0, 1.0, None)
    assert sampling.eos_token_id == [5, 6]


def test_adapters_are_on_the_layers_of_the_language_model(base: LanguageModel) -> None:
    policy = Policy(load_model(base.path, "cpu"), DILEMMA)
    trained = policy.add_learner(rank=2, alpha=4.0, seed=0)
    linear = [f"self_attn.{each}_proj" for each in "qkvo"]
    linear += [f"mlp.{each}_proj" for each in ("gate", "up", "down")]
    assert trained.keys() == {
        f"base_model.model.model.layers.{layer}.{name}.lora_{matrix}.{LEARNER}.weight"
        for layer in range(base.model.config.num_hidden_layers)
        for name in linear
        for matrix in "AB"
    }


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("name", [*PUBLISHED, "mistral"])
@torch.no_grad()
def test_turns_through_the_cache_equal_a_plain_forward_pass(
    name: str, merge: bool, base_of: BaseOf
) -> None:
    """With rows of different lengths and adapters, which speak in turn, and beyond the window of sliding layers."""
    mixed = with_two_adapters(mistral(base_of) if name == "mistral" else base_of(name))
    random = Random(0)
    tokens = torch.randint(20, 300, (3, 90), generator=torch.Generator().manual_seed(0))
    cache, lengths = RaggedCache(mixed.model.config), [0, 0, 0]
    for rows in [slice(0, 2), slice(0, 3), slice(1, 3), slice(2, 3)] * 3:
        speaking = range(rows.start, rows.stop)
        ends = [lengths[row] + random.randint(1, 9) for row in speaking]
        widths = [end - lengths[row] for row, end in zip(speaking, ends, strict=True)]
        starts = torch.tensor([lengths[row] for row in speaking])
        positions = starts[:, None] + torch.arange(max(widths))  # (rows, width)
        given = torch.zeros_like(positions)  # padding is overwritten by the row's next turn
        for index, (row, end) in enumerate(zip(speaking, ends, strict=True)):
            given[index, : widths[index]] = tokens[row, lengths[row] : end]
            lengths[row] = end
        with adapted_layers(mixed.model, merge, ADAPTERS) as assigned:
            assigned.assign([ADAPTERS[row] for row in speaking], given.device)
            logits = mixed.model(
                given,
                attention_mask=cache.place(rows, positions),
                position_ids=positions,
                past_key_values=cache,
            ).logits  # (rows, width, vocabulary)
        for index, row in enumerate(speaking):
            conversation = tokens[row, : lengths[row]].tolist()
            expected = logits_of(mixed.model, ADAPTERS[row], conversation)[-1]
            found = logits[index, widths[index] - 1]
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert min(lengths) > 2 * WINDOW


def test_a_window_is_kept_to(base: LanguageModel) -> None:
    """Models with layers of both types get two masks, others one."""
    cache = RaggedCache(base.model.config)
    positions = [[0, 1, 2], [20, 21, 22]]
    masks = cache.place(slice(0, 2), torch.tensor(positions))
    assert isinstance(masks, dict) == (base.model.config.model_type == "gemma3_text")
    masks = masks if isinstance(masks, dict) else {"full_attention": masks}
    lengths = {"full_attention": 23, "sliding_attention": WINDOW}
    for kind, mask in masks.items():
        assert mask.shape == (2, 1, 3, 23)
        for row, place in product(range(2), range(3)):
            end = positions[row][place] + 1
            seen = mask[row, 0, place].nonzero()[:, 0].tolist()
            assert seen == [*range(max(0, end - lengths[kind]), end)]


@pytest.mark.parametrize("limit", [1, 3, 40])
def test_a_reply_that_would_become_too_long_is_closed(base: LanguageModel, limit: int) -> None:
    """First the message, then the model's turn; and the next turn follows as if nothing had happened."""
    policy = Policy(base, build_game("trust_and_split", 2))
    said: dict[int, list[str]] = {seat: [] for seat in SEATS}

    def listen(turn: Turn, reply: str) -> None:
        said[turn.seat] += [turn.prompt, reply]

    match = policy.game.start(0)
    sampler = PolicySampler(policy, lambda turn: (0, turn.seat), max_new_tokens=limit)
    seats = [(Agent(WARM_START), Agent(WARM_START))]
    player = play_batch([match], seats, Players(policy.game), sampler, listen)
    assert player is not None
    assert match.invalid == [0, 0]
    for seat in SEATS:
        tokens = player.trajectory(match, seat).tokens
        assert tokens[-1] == base.chat.end_token
        assert len(said[seat]) == 2 * 2 * 2
        longest = max(len(base.chat.encode_text(reply)) for reply in said[seat][1::2])
        assert longest <= limit + len(base.chat.encode_text("<message></message><10 coins>"))
        written = render(base.tokenizer, dialogue(*said[seat]), reply=False)
        assert written.strip() == base.chat.decode(tuple(tokens))


def test_an_iteration_of_training_changes_the_adapter_only(
    base: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = {"name": "trust_and_split", "rounds": 1}
    fresh, trained = (load_model(base.path, "cpu") for _ in range(2))
    settings = training_settings()
    Policy(fresh, build_game("trust_and_split", 1)).add_learner(
        rank=settings.lora_rank, alpha=settings.lora_alpha, seed=derive_seed(0, "adapter")
    )
    monkeypatch.setattr(train_module, "load_model", lambda _: trained)
    run_training(base.path, tmp_path, game, iterations=1, kl_coefficient=0.1)
    before, after = fresh.model.state_dict(), trained.model.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    # The first step of A is zero, as B was.
    assert changed == {key for key in before if ".lora_B." in key} != set()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_warm_start_leaves_an_ordinary_model_of_the_same_numbers(
    base_of: BaseOf, tmp_path: Path, dtype: torch.dtype
) -> None:
    source = base_of("gemma3")
    LanguageModel(source.model.to(dtype), source.chat, tmp_path).save(tmp_path / "base")
    source.model.float()
    run_warm_start(
        base=tmp_path / "base",
        game={"name": "prisoners_dilemma", "rounds": 3},
        settings=WarmStart(
            population={"random": 1.0},
            steps=2,
            matches=4,
            method="lora",
            lora_rank=2,
            evaluation_matches=4,
        ),
        output=tmp_path / "model",
        metrics=tmp_path / "metrics.csv",
        behaviour=tmp_path / "behaviour.csv",
    )
    model = load_model(tmp_path / "model", "cpu")
    assert model.model.dtype == dtype
    assert type(model.model) is type(source.model)
    assert model.chat.opening("Hi") == source.chat.opening("Hi")
