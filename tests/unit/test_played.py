"""Architectures that can be played turn by turn, and what is refused when a base model is written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.conftest import Published
from tests.unit.mixed_adapters import DILEMMA, random_weights
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from social_dilemmas.config.schema.models import HubModel
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.played import conversation_logits
from social_dilemmas.policy.policy import Policy

SHAPE: dict[str, Any] = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "intermediate_size": 48, "initializer_range": 0.2},
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}  # with square layers
RECURRENT = {"head_dim": 8, "lru_width": 32, "num_key_value_heads": 1}
TOKENS = torch.randint(5, 90, (40,), generator=torch.Generator().manual_seed(1)).tolist()


def model_of(kind: str, vocabulary: int = 100, **more: Any) -> PreTrainedModel:
    """A model of random weights."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SHAPE, "vocab_size": vocabulary, **more})
    return AutoModelForCausalLM.from_config(config).eval()


def write_published(published: Published, folder: Path, model: PreTrainedModel) -> Path:
    """A model directory with that model, and the tokenizer of Qwen2."""
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(published("qwen2")).save_pretrained(folder)
    return folder


def write_base(source: Path, output: Path) -> None:
    write_base_model(HubModel(name="m", kind="hub", source=str(source)), (), (), output)


@pytest.mark.parametrize("kind", ["recurrent_gemma", "doge"])
def test_a_model_that_plays_otherwise_than_it_is_trained_is_refused(
    kind: str, published: Published, tmp_path: Path
) -> None:
    vocabulary = len(AutoTokenizer.from_pretrained(published("qwen2")))
    model = model_of(kind, vocabulary, **RECURRENT if kind == "recurrent_gemma" else {})
    source = write_published(published, tmp_path / "source", model)
    with pytest.raises(UserError, match=rf"models\[m\]: .* {kind} can't be played turn by turn \("):
        write_base(source, tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["qwen2", "gpt2"])
def test_a_model_that_plays_as_it_is_trained(
    kind: str, dtype: torch.dtype, published: Published, tmp_path: Path
) -> None:
    model = model_of(kind, **GPT2 if kind == "gpt2" else {}).to(dtype)
    chat = load_model(published("qwen2"), "cpu").chat
    conversation_logits(LanguageModel(model, chat, tmp_path).model, TOKENS)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("adapter_config.json", {"peft_type": "LORA"}, "holds an adapter: merge it into its base"),
        ("config.json", {"quantization_config": {"quant_method": "awq"}}, "is quantised .awq.: "),
        ("config.json", {"quantization_config": {"bits": 4}}, "is quantised: choose"),
        ("config.json", {"quantization_config": {"quant_method": "mine"}}, "is quantised .mine.: "),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_adapters_and_quantised_checkpoints_are_no_base_models(
    file: str,
    content: dict[str, Any],
    complaint: str,
    alone: bool,
    published: Published,
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    if alone:
        source.mkdir()
    else:
        shutil.copytree(published("qwen2"), source)
    path = source / file
    content |= json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"^models\[m\]: .*source {complaint}") as caught:
        write_base(source, tmp_path / "base")
    assert "\n" not in str(caught.value)


def test_what_was_written_is_read_and_compared(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = LanguageModel.save

    def garbling(self: LanguageModel, output: Path) -> None:
        self.model.get_output_embeddings().weight.data[:5] += 0.1
        save(self, output)

    monkeypatch.setattr(LanguageModel, "save", garbling)
    with pytest.raises(UserError, match=r"models\[m\]: .* isn't the one that was read"):
        write_base(published("qwen2"), tmp_path / "base")


def test_the_layers_of_gpt2_are_merged_as_they_stand(published: Published, tmp_path: Path) -> None:
    vocabulary = len(AutoTokenizer.from_pretrained(published("qwen2")))
    model = model_of("gpt2", vocabulary, **GPT2)
    base = tmp_path / "base"
    write_base(write_published(published, tmp_path / "source", model), base)
    policy = Policy(load_model(base, "cpu"), DILEMMA)
    policy.add_learner(rank=2, alpha=8.0, seed=0)
    policy.put(LEARNER, random_weights(policy))
    tokens = torch.tensor([TOKENS])
    with torch.no_grad():
        expected = policy.model(tokens).logits
        with adapted_layers(policy.model):
            torch.testing.assert_close(policy.model(tokens).logits, expected, atol=1e-4, rtol=1e-4)
