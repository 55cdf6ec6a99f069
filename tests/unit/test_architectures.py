"""Tiny models of many architectures: what they compute turn by turn agrees with what they read, or they are refused."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from social_dilemmas.policy import tree_attention
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.played import conversation_logits
from social_dilemmas.policy.tree_attention import TREE

SHAPE: dict[str, Any] = {  # each architecture takes what it knows
    **{"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
    **{"max_position_embeddings": 256, "initializer_range": 0.2},
    **{"n_embd": 32, "n_layer": 2, "n_head": 4, "num_layers": 2, "num_heads": 4, "d_model": 32},
    **{"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "n_routed_experts": 4},
    **{"moe_intermediate_size": 16, "n_group": 1, "topk_group": 1},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
TEXT = torch.randint(5, 90, (60,), generator=torch.Generator().manual_seed(1)).tolist()
TURNS = ((3, 7), (9, 1), (1, 1), (8, 20), (20, 8), (5, 9))  # tokens that each of two rows adds

PLAYS = """
afmoe apertus arcee aria_text biogpt bitnet cwm diffllama ernie4_5 ernie4_5_moe exaone4
exaone_moe flex_olmo gemma gemma3_text gemma4_unified_text glm glm4 glm4_moe gpt2 gpt_bigcode
gpt_neox granite granitemoe granitemoeshared helium hrm_text hunyuan_v1_dense hunyuan_v1_moe
hy_v3 hyperclovax jais2 jetmoe laguna lfm2 llama mellum minimax_m2 ministral ministral3 mistral
mixtral olmo olmo2 olmo3 olmoe opt persimmon phi phi3 phimoe qwen2 qwen3 qwen3_moe seed_oss
smollm3 solar_open starcoder2
"""
# Logits that are scaled or capped, attention of another kind, or both ways.
DIFFER = "bert cohere cohere2 doge gemma2 nanochat vaultgemma"
# Other caches or masks than this project's: they fail where it plays them.
FAIL = "deepseek_v32 jamba marian moshi nemotron olmo_hybrid recurrent_gemma stablelm"
WITHOUT_SDPA = "bloom codegen gpt_oss gptj mpt xglm"


def model_of(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SHAPE)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    model.set_attn_implementation(TREE)  # as when a model is loaded
    return model


@pytest.mark.parametrize("products", [False, True], ids=["kernel", "products"])
@pytest.mark.parametrize("kind", PLAYS.split())
@torch.no_grad()
def test_turn_by_turn_it_computes_what_it_reads(
    kind: str, products: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PyTorch's attention or, as in half precision on a CPU, with products of matrices."""
    monkeypatch.setattr(tree_attention, "products_pay", lambda states: products)
    model = model_of(kind)
    conversation_logits(model, TEXT)
    cache, rows, lengths = RaggedCache(model.config), (TEXT, TEXT[::-1]), (0, 0)
    for widths in TURNS:
        positions = torch.tensor(lengths)[:, None] + torch.arange(max(widths))  # (rows, width)
        logits = model(
            input_ids=torch.tensor(rows).gather(1, positions.clamp(max=len(TEXT) - 1)),
            attention_mask=cache.place(slice(0, 2), positions),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits  # (rows, width, vocabulary)
        lengths = (lengths[0] + widths[0], lengths[1] + widths[1])
        for row, text, length, width in zip(range(2), rows, lengths, widths, strict=True):
            read = model(torch.tensor([text[:length]])).logits[0, -1]
            torch.testing.assert_close(logits[row, width - 1], read, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", DIFFER.split())
def test_what_computes_something_else_is_refused(kind: str) -> None:
    model = model_of(kind)
    with pytest.raises(ValueError, match=r"trained turn by turn, its logits are off by \d"):
        conversation_logits(model, TEXT)


@pytest.mark.parametrize("kind", FAIL.split())
def test_what_cannot_be_played_is_refused(kind: str) -> None:
    """Each fails in a way of its own; `write_base_model` turns whatever is raised into one sentence."""
    model = model_of(kind)
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        conversation_logits(model, TEXT)


@pytest.mark.parametrize("kind", WITHOUT_SDPA.split())
def test_what_lacks_pytorch_s_attention_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="does not support an attention implementation"):
        model_of(kind)
