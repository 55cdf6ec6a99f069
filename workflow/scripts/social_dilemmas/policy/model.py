"""Building, loading and identifying causal language models; everything downstream only knows a model directory."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game
from social_dilemmas.policy.cache import FULL, SLIDING, layer_types
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.hub import enough_space, entry_name, published_directory
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.template import append_only, why_unfit
from social_dilemmas.policy.tokenizer import train_tokenizer

AS_STORED = "auto"  # transformers' word for the numbers that a model directory's config.json names

_INCOMPLETE = (OSError, ValueError, SafetensorError)  # what a damaged directory leads to

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModel:
    """A model with all that is needed to talk to it."""

    model: PreTrainedModel
    chat: ChatFormat
    path: Path

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.chat.tokenizer

    @property
    def padding(self) -> int:
        """Id of the token that fills up shorter conversations; never seen by the model."""
        pad = self.tokenizer.pad_token_id
        return self.tokenizer.eos_token_id if pad is None else pad

    def masks(self, game: Game) -> TokenMasks:
        """The game's reply grammars for this tokenizer."""
        model = self.model
        return TokenMasks(game.grammars(), self.chat, model.config.vocab_size, model.device)

    def save(self, output: Path) -> None:
        """Write an ordinary model directory."""
        self.model.save_pretrained(output)
        self.tokenizer.save_pretrained(output)


def build_embedded_model(
    tokenizer: PreTrainedTokenizerBase,
    *,
    seed: int,
    hidden_size: int,
    layers: int,
    heads: int,
    feed_forward_size: int,
    context: int = 1024,
) -> PreTrainedModel:
    """A small randomly initialised model of Qwen2's shape for this tokenizer."""
    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            intermediate_size=feed_forward_size,
            max_position_embeddings=context,
            initializer_range=hidden_size**-0.5,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def write_base_model(
    entry: Mapping[str, Any], corpus: Iterable[str], varying: Iterable[str], output: Path
) -> None:
    """Write the base model of a config entry as an ordinary model directory.

    An embedded model is built here; a published one is taken from the hub or from a folder.

    Raises:
        UserError: the model can't be had, or isn't of a kind that can play.
    """
    if entry["kind"] == "hub":
        _write_published_model(entry, output)
        return
    shape = ("seed", "hidden_size", "layers", "heads", "feed_forward_size")
    tokenizer = train_tokenizer(corpus, varying, entry["merges"])
    model = build_embedded_model(tokenizer, **{key: entry[key] for key in shape})
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def _write_published_model(entry: Mapping[str, Any], output: Path) -> None:
    """Write what is needed of a published model: its language model, in the numbers and with the chat format to use."""
    published, name = published_directory(entry), entry_name(entry)
    try:
        model = _load_language_model(published, entry.get("dtype") or AS_STORED)
        tokenizer = _load_tokenizer(published)
    except _INCOMPLETE as error:
        raise UserError(
            f"{name}: {published} is not a complete model directory ({_first_line(error)}): correct source"
        ) from error
    if unknown := layer_types(model.config) - {FULL, SLIDING}:
        raise UserError(
            f"{name}: {entry['source']} has layers of {', '.join(sorted(unknown))}, which aren't supported: choose a "
            "model with ordinary or sliding attention"
        )
    if not tokenizer.chat_template:
        raise UserError(
            f"{name}: {entry['source']} has no chat template: choose an instruction-tuned model"
        )
    if reason := why_unfit(tokenizer):
        tokenizer.chat_template = append_only(tokenizer)
        logger.info(
            "%s: the chat template of %s %s; the model directory gets one that only appends turns, in the same frames",
            name,
            entry["source"],
            reason,
        )
    model.generation_config = _plain_sampling(model.generation_config)
    with enough_space(entry, output):
        LanguageModel(model, ChatFormat(tokenizer), output).save(output)


def _plain_sampling(published: GenerationConfig) -> GenerationConfig:
    """Sampling from the model's own distribution: published defaults, which inference servers apply, distort it."""
    ids = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        **{name: getattr(published, name) for name in ids},
    )


def load_model(path: Path | str, device: str = "auto") -> LanguageModel:
    """Load a model directory, in evaluation mode (there is no dropout anywhere).

    Raises:
        UserError: there is no complete model at that path.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = _load_language_model(path, AS_STORED)
        tokenizer = _load_tokenizer(path)
    except _INCOMPLETE as error:
        raise UserError(f"{path}: not a complete model directory ({_first_line(error)})") from error
    return LanguageModel(model.to(device).eval(), ChatFormat(tokenizer), Path(path))


def _load_language_model(path: Path | str, dtype: str) -> PreTrainedModel:
    """Load a model's weights on the CPU. Of a model that also sees or hears, only its language model.

    Raises:
        ValueError: weights are missing.
    """
    model, report = AutoModelForCausalLM.from_pretrained(
        path,
        attn_implementation="sdpa",
        dtype=dtype,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if report["missing_keys"]:
        raise ValueError(f"no weights for {min(report['missing_keys'])}")
    text = model.config.get_text_config()
    if text is model.config:
        return model
    with torch.device("meta"):
        shell = AutoModelForCausalLM.from_config(text, attn_implementation="sdpa")
    setattr(shell, shell.base_model_prefix, model.get_decoder())
    shell.set_output_embeddings(model.get_output_embeddings())
    shell.generation_config = model.generation_config
    return shell


def _load_tokenizer(path: Path | str) -> PreTrainedTokenizerBase:
    """Load a tokenizer.

    Raises:
        ValueError: it knows no text, as where its file is missing.
    """
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    if tokenizer.decode(tokenizer.encode("text", add_special_tokens=False)) != "text":
        raise ValueError("the tokenizer is missing")
    return tokenizer


def model_fingerprint(path: Path) -> str:
    """Tells models apart: a hash over the configuration and over both ends of every weights file."""
    digest = hashlib.blake2b((path / "config.json").read_bytes(), digest_size=16)
    for weights in sorted(path.glob("*.safetensors")):
        with weights.open("rb") as file:
            digest.update(f"{weights.name} {weights.stat().st_size}".encode())
            digest.update(file.read(1 << 20))
            file.seek(max(0, weights.stat().st_size - (1 << 20)))
            digest.update(file.read())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
