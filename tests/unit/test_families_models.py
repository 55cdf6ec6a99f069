"""Models of the published families: sampling, adapters, log-probabilities and training, on tiny ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.unit.mixed_adapters import (
    ADAPTERS,
    adapter_by_place,
    logits_read_anew,
    with_two_adapters,
)
from torch import Tensor
from transformers import AutoModelForCausalLM

from social_dilemmas.agents.play import play
from social_dilemmas.config.check import with_defaults
from social_dilemmas.config.settings import training_settings, warm_start_settings
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.method.train import Trainer
from social_dilemmas.method.warm_start import run_warm_start
from social_dilemmas.policy.adapters import (
    LEARNER,
    attach_learner,
)
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.masks import DONE
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.policy.template import render
from social_dilemmas.policy.trajectory import collate

if TYPE_CHECKING:
    from tests.unit.conftest import BaseOf, Published

NAMES = ("qwen2", "llama", "qwen3", "gemma3_text", "gemma3")
REPOSITORY = Path(__file__).parents[2]
WINDOW = 12  # of the sliding layers of Gemma's


class Witness(LanguageModelPlayer):
    """A player that writes down what it is told and says, and from which logits every token is drawn."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[tuple[str | None, list[int], Tensor]] = []
        self.said: dict[tuple[Match, int], list[dict[str, str]]] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        replies = super().reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            said = self.said.setdefault((turn.match, turn.seat), [])
            said.append({"role": "user", "content": turn.prompt})
            said.append({"role": "assistant", "content": reply})
        return replies

    def _draw(self, speaking: Sequence[Any], logits: Tensor) -> list[int]:
        for conversation, row in zip(speaking, logits, strict=True):
            tokens = [*conversation.trajectory.tokens]
            self.seen.append((conversation.adapter, tokens, row.clone()))
        return super()._draw(speaking, logits)


@pytest.fixture(scope="module", params=NAMES)
def base(request: pytest.FixtureRequest, base_of: "BaseOf") -> LanguageModel:
    return base_of(request.param)


def config() -> dict[str, Any]:
    """The smoke scale's configuration."""
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
    said = yaml.safe_load((REPOSITORY / "config/smoke.yaml").read_text())
    return with_defaults(said, schema)


@pytest.mark.parametrize("name", NAMES)
def test_the_base_model_is_the_published_language_model(
    name: str, published: "Published", base_of: "BaseOf"
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
    assert (sampling.do_sample, sampling.temperature, sampling.top_k, sampling.top_p) == (
        True,
        1.0,
        0,
        1.0,
    )
    assert sampling.repetition_penalty in (None, 1.0)
    assert sampling.eos_token_id == [5, 6]


@pytest.mark.parametrize("name", NAMES)
def test_sampling_with_the_cache_equals_a_plain_forward_pass(name: str, base_of: "BaseOf") -> None:
    """Over turns, with rows of different lengths and adapters, and beyond the window of sliding layers."""
    mixed = with_two_adapters(base_of(name))
    game = build_game("trust_and_split", 2)
    player = Witness(
        mixed.model,
        mixed.chat,
        mixed.masks(game),
        streams_in_order(0),
        max_new_tokens=8,
        adapter_of=adapter_by_place,
    )
    matches = [build_game("trust_and_split", rounds).start(rounds) for rounds in (2, 1, 2)]
    play(matches, [(player, player)] * len(matches))
    assert all(match.invalid == [0, 0] for match in matches)
    seen = player.seen[::7]
    assert {adapter for adapter, _, _ in seen} == {*ADAPTERS}
    assert min(len(tokens) for _, tokens, _ in seen) > 4 * WINDOW
    for adapter, tokens, logits in seen:
        expected = logits_read_anew(mixed.model, adapter, tokens).float()
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_adapters_are_on_the_layers_of_the_language_model(base_of: "BaseOf") -> None:
    for name in NAMES:
        model = attach_learner(base_of(name), rank=2, alpha=4, seed=0)
        trained = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
        linear = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
        layers = model.config.num_hidden_layers
        assert trained == {
            f"base_model.model.model.layers.{layer}.{part}.{one}.lora_{matrix}.{LEARNER}.weight"
            for layer in range(layers)
            for one in linear
            for part in ("self_attn" if one[1:] == "_proj" else "mlp",)
            for matrix in "AB"
        }


def test_a_window_is_kept_to(base_of: "BaseOf") -> None:
    """What stands further back changes nothing in a sliding layer, and something in the model as a whole."""
    base = base_of("gemma3")
    cache = RaggedCache(base.model.config)
    masks = cache.place(slice(0, 2), torch.tensor([[0, 1, 2], [20, 21, 22]]))
    assert isinstance(masks, dict)
    full, sliding = masks["full_attention"], masks["sliding_attention"]
    assert full.shape == sliding.shape == (2, 1, 3, 23)
    for row, own in ((0, (0, 1, 2)), (1, (20, 21, 22))):
        for place, position in enumerate(own):
            assert full[row, 0, place].nonzero()[:, 0].tolist() == [*range(position + 1)]
            seen = sliding[row, 0, place].nonzero()[:, 0].tolist()
            assert seen == [*range(max(0, position + 1 - WINDOW), position + 1)]


def test_models_with_layers_of_one_type_get_one_mask(base_of: "BaseOf") -> None:
    for name in ("qwen2", "llama", "qwen3"):
        cache = RaggedCache(base_of(name).model.config)
        assert isinstance(cache.place(slice(0, 1), torch.tensor([[0, 1]])), Tensor)


def test_a_model_that_only_slides_gets_one_mask_that_slides() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            sliding_window=5,
            initializer_range=0.3,
        )
    ).eval()
    tokens = torch.randint(0, 50, (1, 30))
    cache, parts = RaggedCache(model.config), []
    with torch.no_grad():
        for first in range(0, 30, 6):
            positions = torch.arange(first, first + 6)[None]
            mask = cache.place(slice(0, 1), positions)
            parts.append(
                model(
                    tokens[:, first : first + 6],
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                ).logits
            )
        torch.testing.assert_close(torch.cat(parts, 1), model(tokens).logits)


@pytest.mark.parametrize("limit", [1, 3, 40])
def test_a_reply_that_would_become_too_long_is_closed(base: LanguageModel, limit: int) -> None:
    """First the message, then the model's turn; and the next turn follows as if nothing had happened."""
    game = build_game("trust_and_split", 2)
    player = Witness(
        base.model, base.chat, base.masks(game), streams_in_order(0), max_new_tokens=limit
    )
    match = game.start(0)
    play([match], [(player, player)])
    assert match.invalid == [0, 0]
    for seat in (0, 1):
        tokens = player.trajectory(match, seat).tokens
        assert tokens[-1] == base.chat.end_token
        messages = player.said[match, seat]
        assert len(messages) == 2 * 2 * 2
        longest = max(len(base.chat.encode_text(reply["content"])) for reply in messages[1::2])
        assert longest <= limit + len(base.chat.encode_text("<message></message><10 coins>"))
        written = render(base.tokenizer, messages, reply=False)
        assert written.strip() == base.chat.decode(tuple(tokens))


def test_log_probabilities_are_those_of_a_plain_forward_pass(base: LanguageModel) -> None:
    game = build_game("split", 2)
    masks = base.masks(game)
    player = LanguageModelPlayer(
        base.model, base.chat, masks, streams_in_order(0), max_new_tokens=40
    )
    match = game.start(1)
    play([match], [(player, player)])
    trajectories = [player.trajectory(match, seat) for seat in (0, 1)]
    with torch.no_grad():
        found, _ = action_log_probabilities(
            base.model, collate(trajectories, base.padding), masks.allowed
        )
        expected = []
        for trajectory in trajectories:
            logits = base.model(torch.tensor([trajectory.tokens])).logits[0]
            for position, state in zip(trajectory.positions, trajectory.states, strict=True):
                row = logits[position - 1].masked_fill(~masks.allowed[state], -torch.inf)
                expected.append(row.log_softmax(-1)[trajectory.tokens[position]])
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_an_iteration_of_training_changes_the_adapter_only(
    base: LanguageModel, tmp_path: Path
) -> None:
    settings = training_settings(config(), "trust_and_split", "advantage_alignment")
    (game,) = (entry for entry in config()["games"] if entry["name"] == "trust_and_split")
    changes = {"iterations": 1, "max_new_tokens": 6, "learning_rate": 0.01, "kl_coefficient": 0.1}
    run = Trainer(
        base.path,
        {**game, "rounds": 1},
        {**settings, **changes, "credit": "advantage_alignment"},
        0,
        tmp_path,
    )
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    run.run()
    after = run.model.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert all(".lora_B." in key for key in changed)  # the first step of A is zero, as B was
    assert {key for key in after if ".lora_B." in key} == changed
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_warm_start_leaves_an_ordinary_model_of_the_same_numbers(
    base_of: "BaseOf", tmp_path: Path, dtype: torch.dtype
) -> None:
    source = base_of("gemma3")
    LanguageModel(source.model.to(dtype), source.chat, tmp_path).save(tmp_path / "base")
    source.model.float()
    (game,) = (entry for entry in config()["games"] if entry["name"] == "prisoners_dilemma")
    more = {"method": "lora", "lora_rank": 2, "lora_alpha": 4, "steps": 2}
    run_warm_start(
        base=tmp_path / "base",
        game=game,
        settings={**warm_start_settings(config(), "prisoners_dilemma"), **more},
        output=tmp_path / "model",
        metrics=tmp_path / "metrics.csv",
        behaviour=tmp_path / "behaviour.csv",
    )
    model = load_model(tmp_path / "model", "cpu")
    assert model.model.dtype == dtype
    assert type(model.model) is type(source.model)
    assert model.chat.opening("Hi") == source.chat.opening("Hi")


def test_the_state_after_a_reply_ends_it(base: LanguageModel) -> None:
    for name in ("prisoners_dilemma", "split", "trust_and_split"):
        masks = base.masks(build_game(name, 1))
        for grammar in build_game(name, 1).grammars():
            state, tokens = masks.start(grammar), list[int]()
            while state != DONE:
                options = masks.allowed[state].nonzero()[:, 0].tolist()
                tokens.append(options[len(tokens) % len(options)])
                state = masks.closing(masks.step(state, tokens[-1]))
            assert tokens[-1] == base.chat.end_token
            assert grammar.parse(base.chat.decode(tuple(tokens[:-1]))) is not None
