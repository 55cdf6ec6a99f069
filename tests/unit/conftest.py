"""Tiny models of the families that the workflow is meant for, as they are published on the hub.

The tokenizers have each family's kind of vocabulary and its control tokens, the templates write each family's format,
the models have its architecture, all of it of random weights.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from social_dilemmas.config.schema.models import HubModel

if TYPE_CHECKING:
    from tests.conftest import MakeTokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from social_dilemmas.policy.chat import ChatFormat
    from social_dilemmas.policy.model import LanguageModel

TEXT = (
    "You play against another player. You ask for <3 coins> of 10 coins. The other player says: "
    "<message>I have rock, what do you have? Let us be fair, don't be greedy.</message> You have "
    "scissors.\n\nReply with <A> or <B>, and nothing else. Values of 1250, naïve café, 你好 🙂 "
)

CHATML = (
    "{% if messages[0].role == 'system' %}"
    "{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}"
    "{% elif true %}DEFAULT_SYSTEM{% endif %}"
    "{% for message in messages %}{% if message.role == 'user' %}"
    "{{ '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}"
    "{% elif message.role == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' }}THOUGHT{{ message.content + '<|im_end|>\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}NO_THOUGHT{% endif %}"
)
EMPTY_THOUGHT = "{{ '<think>\n\n</think>\n\n' }}"
TOOLS = "{% if tools %}{{ '<tool_call>' + tools | tojson + '</tool_call>' }}{% endif %}"
TEMPLATES = {
    "qwen2": TOOLS
    + CHATML.replace(
        "DEFAULT_SYSTEM", "{{ '<|im_start|>system\nYou are a friendly model.<|im_end|>\n' }}"
    )
    .replace("NO_THOUGHT", "")
    .replace("THOUGHT", ""),
    # Only replies after the last user turn have a thought; where thinking is off, the reply begins with an empty one.
    "qwen3": "{% set last = namespace(user=0) %}{% for message in messages %}"
    "{% if message.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}"
    + TOOLS
    + CHATML.replace("DEFAULT_SYSTEM", "")
    .replace(
        "NO_THOUGHT",
        "{% if enable_thinking is defined and not enable_thinking %}"
        + EMPTY_THOUGHT
        + "{% endif %}",
    )
    .replace("THOUGHT", "{% if loop.index0 > last.user %}" + EMPTY_THOUGHT + "{% endif %}"),
    "llama": "{% if messages[0].role == 'system' %}{% set system = messages[0].content | trim %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
    "{{ bos_token + '<|start_header_id|>system<|end_header_id|>\n\nKnown until: 2023\nDate: ' }}"
    "{{ date_string if date_string is defined else '26 Jul 2024' }}"
    "{{ '\n\n' + system + '<|eot_id|>' }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}"
    "{{ message.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "gemma3": "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set prefix = messages[0].content + '\n\n' %}{% set messages = messages[1:] %}"
    "{% else %}{% set prefix = '' %}{% endif %}"
    "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}"
    "{{ (prefix if loop.first else '') + message.content | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
}

# Templates in the styles of well-known chat models; tokens of theirs that mark turns.
FOREIGN = {
    "chatml": (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        ["<|im_start|>", "<|im_end|>"],
    ),
    "headers": (
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
        "'<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    ),
    "turns": (
        "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + "
        "('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + "
        "'<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        ["<start_of_turn>", "<end_of_turn>"],
    ),
    "brackets": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
        "{{ '[INST]' + m.content + '[/INST]' }}{% else %}{{ m.content + eos_token }}{% endif %}"
        "{% endfor %}",
        ["[INST]", "[/INST]"],
    ),
}

# Control tokens, and others that a family has marked out beforehand.
QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>"]
QWEN_OTHERS = ["<tool_call>", "</tool_call>", "<|fim_prefix|>"]
LLAMA_SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|eom_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"),
]
GEMMA_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
GEMMA_OTHERS = ["\n\n", "<table>", "<b>"]

LLAMA_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Family:
    """A family's tokenizer, with its control tokens by how they are written."""

    name: str
    tokenizer: "PreTrainedTokenizerBase"
    control: tuple[str, ...]


def _merges(tokenizer: Any, alphabet: Iterable[str]) -> tuple[dict[str, int], list[Any]]:
    """Vocabulary and merges of BPE, learned from the text above."""
    from tokenizers import trainers

    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _byte_level(words: str | None) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    backend = Tokenizer(models.BPE())
    split = [pre_tokenizers.Split(Regex(words), "isolated")] if words else []
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [*split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not words)]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _qwen(template: str, more: list[str]) -> Family:
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import Qwen2Tokenizer

    vocabulary, merges = _merges(_byte_level(None), pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=QWEN_SPECIAL,
        chat_template=template,
    )
    others = [*QWEN_OTHERS, *more]
    tokenizer.add_tokens([AddedToken(each, normalized=False) for each in others])
    return Family("qwen", tokenizer, (*QWEN_SPECIAL, *others))


def _llama(template: str) -> Family:
    from tokenizers import AddedToken, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = _byte_level(LLAMA_WORDS)
    _merges(backend, pre_tokenizers.ByteLevel.alphabet())
    backend.add_special_tokens([AddedToken(each, normalized=False) for each in LLAMA_SPECIAL])
    begin = "<|begin_of_text|>"
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, backend.token_to_id(begin))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=begin,
        eos_token="<|eot_id|>",
        clean_up_tokenization_spaces=True,
        chat_template=template,
    )
    return Family("llama", tokenizer, tuple(LLAMA_SPECIAL))


def _gemma(template: str) -> Family:
    from tokenizers import AddedToken, Tokenizer, models, normalizers
    from transformers import GemmaTokenizer

    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.Replace(" ", "▁")  # no words: tokens may span spaces
    ascii_characters = {chr(code) for code in range(33, 127)} | {"▁", "\n", "\t"}
    learned, merges = _merges(backend, ascii_characters)
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*GEMMA_SPECIAL, *GEMMA_OTHERS, *bytes_, *learned]
    tokenizer = GemmaTokenizer(
        vocab={token: number for number, token in enumerate(dict.fromkeys(tokens))},
        merges=merges,
        extra_special_tokens=["<start_of_turn>", "<end_of_turn>"],
        chat_template=template,
    )
    tokenizer.add_tokens([AddedToken(each, normalized=False) for each in GEMMA_OTHERS])
    return Family("gemma", tokenizer, tuple(GEMMA_SPECIAL))


def _family_of(name: str) -> Family:
    match name:
        case "qwen2":
            return _qwen(TEMPLATES["qwen2"], [])
        case "qwen3":
            return _qwen(TEMPLATES["qwen3"], ["<think>", "</think>"])
        case "llama":
            return _llama(TEMPLATES["llama"])
        case _:
            return _gemma(TEMPLATES["gemma3"])


SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
}
# As hub models have it, with one key too many for do_sample, which transformers refuses to write.
SAMPLING = {"temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.05, "eos_token_id": [5, 6]}
WINDOW = 12  # tokens that Gemma's sliding layers look back
PUBLISHED = ("qwen2", "llama", "qwen3", "gemma3_text", "gemma3")


def _model_of(name: str, tokens: int) -> "PreTrainedModel":
    """A model of random weights; as in published ones, its vocabulary is a little larger than the tokenizer's."""
    import torch
    from transformers import (
        AutoModelForCausalLM,
        Gemma3Config,
        Gemma3TextConfig,
        LlamaConfig,
        Qwen2Config,
        Qwen3Config,
        SiglipVisionConfig,
    )

    shape = {**SHAPE, "vocab_size": tokens + 7}
    vision = SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    gemma = Gemma3TextConfig(
        **shape,
        num_hidden_layers=3,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    configs: dict[str, Any] = {
        "qwen2": lambda: Qwen2Config(**shape, num_hidden_layers=2, tie_word_embeddings=True),
        "llama": lambda: LlamaConfig(**shape, num_hidden_layers=2, pad_token_id=None),
        "qwen3": lambda: Qwen3Config(**shape, num_hidden_layers=2, head_dim=8),
        "gemma3_text": lambda: gemma,
        "gemma3": lambda: Gemma3Config(
            text_config=gemma, vision_config=vision, mm_tokens_per_image=4
        ),
    }
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(configs[name]())


class FamilyOf(Protocol):
    """Builds a family's tokenizer as it is published, by the type of its models."""

    def __call__(self, name: str) -> Family: ...


@pytest.fixture(scope="session")
def family_of() -> FamilyOf:
    return _family_of


class Published(Protocol):
    """Gives the directory of a family's tiny model, as it is published."""

    def __call__(self, name: str) -> Path: ...


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    @cache
    def written(name: str) -> Path:
        path = tmp_path_factory.mktemp("published") / name
        tokenizer = _family_of(name).tokenizer
        _model_of(name, len(tokenizer)).save_pretrained(path)
        tokenizer.save_pretrained(path)
        (path / "generation_config.json").write_text(json.dumps(SAMPLING))
        return path

    return written


class BaseOf(Protocol):
    """Loads the base model that the workflow makes of a family's tiny model."""

    def __call__(self, name: str) -> "LanguageModel": ...


@pytest.fixture(scope="session")
def base_of(published: Published, tmp_path_factory: pytest.TempPathFactory) -> BaseOf:
    from social_dilemmas.policy.model import load_model, write_base_model

    @cache
    def directory(name: str) -> Path:
        path = tmp_path_factory.mktemp("base") / name
        source = HubModel(name=name, kind="hub", source=str(published(name)))
        write_base_model(source, (), (), path)
        return path

    return lambda name: load_model(directory(name), device="cpu")


@pytest.fixture(scope="session", params=["embedded", *FOREIGN, *TEMPLATES])
def any_chat(
    request: pytest.FixtureRequest,
    tiny: "LanguageModel",
    make_tokenizer: "MakeTokenizer",
    base_of: BaseOf,
) -> "ChatFormat":
    """Chat formats of the embedded model, of tokenizers in other styles, and of the published families."""
    from social_dilemmas.policy.chat import ChatFormat

    if request.param == "embedded":
        return tiny.chat
    if request.param in FOREIGN:
        return ChatFormat(make_tokenizer(*FOREIGN[request.param]))
    return base_of(request.param).chat
