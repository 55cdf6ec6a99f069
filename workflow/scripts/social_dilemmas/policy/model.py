"""Building, loading and identifying causal language models; everything downstream only knows model directories."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
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
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.gguf_file import gguf_path
from social_dilemmas.policy.hub import (
    first_line,
    published_directory,
    unfit_checkpoint,
)
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.played import conversation_logits
from social_dilemmas.policy.template import FIRST, REPLY, SECOND, append_only, why_unfit
from social_dilemmas.policy.tokenizer import train_tokenizer
from social_dilemmas.policy.tree_attention import TREE
from social_dilemmas.run.processor import dtype_here
from social_dilemmas.run.shortage import disk_full

AS_STORED = "auto"  # transformers' word for the dtype that a model directory's config.json names
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
TEXT_FILES = ("tokenizer.json", "chat_template.jinja")  # how text becomes tokens
SHAPE = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModel:
    """A model with all that is needed to talk to it."""

    model: PreTrainedModel
    chat: ChatFormat
    path: Path

    def __post_init__(self) -> None:
        self.model.set_attn_implementation(TREE)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.chat.tokenizer

    def masks(self, game: Game) -> TokenMasks:
        model = self.model
        return TokenMasks(game.grammars(), self.chat, model.config.vocab_size, model.device)

    def save(self, output: Path) -> None:
        """Write an ordinary model directory; UserError if the disk is full."""
        try:
            self.model.save_pretrained(output)
            self.tokenizer.save_pretrained(output)
        except Exception as error:  # tokenizers raises nothing more special
            if not disk_full(error):
                raise
            raise UserError(
                f"no space is left on the disk of {output}: free some, or work on another disk"
            ) from error


def build_embedded_model(
    tokenizer: PreTrainedTokenizerBase, *, seed: int, context: int = 1024, **shape: int
) -> PreTrainedModel:
    """A small randomly initialised model of Qwen2's architecture, with a number for each of `SHAPE`.

    `context` is the most tokens of a conversation.
    """
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        num_key_value_heads=shape["num_attention_heads"],
        max_position_embeddings=context,
        initializer_range=shape["hidden_size"] ** -0.5,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        **shape,
    )
    return Qwen2ForCausalLM(config)


def write_base_model(
    entry: Any, corpus: Iterable[str], varying: Iterable[str], output: Path
) -> None:
    """Write the model of a config entry as an ordinary model directory.

    An embedded model is built here, its tokenizer trained on the corpus (see `train_tokenizer`); a published one is
    taken from the hub, a folder or a file of the format GGUF. Raises UserError if it can't be had, or isn't of a kind
    that can play.
    """
    if entry.kind != "embedded":
        model = _published_model(entry)
    else:
        tokenizer = train_tokenizer(corpus, varying, entry.merges)
        shape = {name: getattr(entry, name) for name in SHAPE}
        built = build_embedded_model(tokenizer, seed=entry.seed, **shape)
        model = LanguageModel(built, ChatFormat(tokenizer), output)
    expected = _conversation_logits(model, entry)
    try:
        model.save(output)
    except UserError as error:
        raise UserError(f"models[{entry.name}]: {error}") from error
    del model  # two would take twice the memory
    if not torch.equal(_conversation_logits(load_model(output, "cpu"), entry), expected):
        raise UserError(
            f"models[{entry.name}]: the model that was written to {output} isn't the one that was read"
        )


def _conversation_logits(model: LanguageModel, entry: Any) -> Tensor:
    """The logits after a conversation; UserError if the model can't be played and trained turn by turn."""
    chat = model.chat
    tokens = [*chat.opening(FIRST), *chat.encode_text(REPLY), chat.end_token]
    try:
        return conversation_logits(model.model, [*tokens, *chat.following(SECOND)])
    except Exception as error:  # each architecture fails in a way of its own
        raise UserError(
            f"models[{entry.name}]: a model of type {model.model.config.model_type} can't be played turn by turn "
            f"({first_line(error)}): choose another model"
        ) from error


def _published_model(entry: Any) -> LanguageModel:
    """A published model, in the dtype and with the chat format to use."""
    name, dtype = f"models[{entry.name}]", dtype_here(entry.dtype) or AS_STORED
    if entry.kind == "gguf":
        published = gguf_path(entry)
        source, (model, tokenizer) = entry.file, _load_gguf(name, published, dtype)
    else:
        source, published = entry.source, published_directory(entry)
        if reason := unfit_checkpoint(published):
            raise UserError(f"{name}: {source} {reason}")
        try:
            model, tokenizer = _load(published, dtype)
        except UserError as error:
            raise UserError(f"{name}: {error}: correct source") from error
    if not tokenizer.chat_template:
        raise UserError(f"{name}: {source} has no chat template: choose an instruction-tuned model")
    try:
        if reason := why_unfit(tokenizer):
            tokenizer.chat_template = append_only(tokenizer)
            message = "%s: the chat template of %s %s; the model directory gets an append-only one"
            logger.info(message, name, source, reason)
        chat = ChatFormat(tokenizer)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    # Published defaults, which inference servers apply, would distort the model's own distribution.
    ids = {key: getattr(model.generation_config, key) for key in TOKEN_IDS}
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, **ids
    )
    return LanguageModel(model, chat, published)


def load_model(path: Path | str, device: str = "auto") -> LanguageModel:
    """Load a model directory, in evaluation mode; raises UserError if there is no complete model."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not Path(path).is_dir():
        raise UserError(f"{path} is not a complete model directory: there is no such folder")
    model, tokenizer = _load(path, AS_STORED)
    return LanguageModel(model.to(device).eval(), ChatFormat(tokenizer), Path(path))


def _load(path: Path | str, dtype: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A directory's language model, on the CPU, and tokenizer; raises `UserError` if it isn't complete."""
    try:
        return _load_both(path, dtype)
    except (OSError, ValueError, SafetensorError) as error:
        reason = first_line(error)
        raise UserError(
            f"{path} is not a complete model directory of a kind that can play ({reason})"
        ) from error


def _load_gguf(
    name: str, file: Path, dtype: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The same of a file of the format GGUF, its weights no longer quantised."""
    try:
        return _load_both(file.parent, dtype, gguf_file=file.name)
    except Exception as error:  # transformers and gguf have no common class of errors
        raise UserError(
            f"{name}: transformers can't read {file} ({first_line(error)}): choose a file that is whole, of an "
            "architecture that it knows"
        ) from error


def _load_both(
    path: Path | str, dtype: str, **file: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a directory, or of a `gguf_file` in it; raises as transformers does, or ValueError."""
    model = _load_language_model(path, dtype, **file)
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, **file)
    if tokenizer.decode(tokenizer.encode("text", add_special_tokens=False)) != "text":
        raise ValueError("the tokenizer is missing")
    return model, tokenizer


def _load_language_model(path: Path | str, dtype: str, **file: str) -> PreTrainedModel:
    """A directory's model; of one that also sees or hears, only the language model."""
    model, report = AutoModelForCausalLM.from_pretrained(
        path,
        attn_implementation="sdpa",
        dtype=dtype,
        trust_remote_code=False,
        output_loading_info=True,
        **file,
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


def model_fingerprint(path: Path) -> str:
    """A hash that tells models apart: over configuration, tokenizer, chat template, both ends of every weights file."""
    digest = hashlib.blake2b((path / "config.json").read_bytes(), digest_size=16)
    for name in TEXT_FILES:
        if (path / name).exists():
            digest.update(name.encode())
            digest.update((path / name).read_bytes())
    for weights in sorted(path.glob("*.safetensors")):
        with weights.open("rb") as file:
            digest.update(f"{weights.name} {weights.stat().st_size}".encode())
            digest.update(file.read(1 << 20))
            file.seek(max(0, weights.stat().st_size - (1 << 20)))
            digest.update(file.read())
    return digest.hexdigest()
