"""Building, loading and identifying causal language models; everything downstream only knows a path or hub name."""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game
from social_dilemmas.generation.chat import ChatFormat
from social_dilemmas.generation.masks import TokenMasks
from social_dilemmas.generation.tokenizer import train_tokenizer

HUB_FILES = [
    "*.json",
    "*.safetensors",
    "*.jinja",
    "*.txt",
    "*.model",
]  # no pickled weights, no code


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
        return TokenMasks(game.grammars(), self.chat, self.model.config.vocab_size)

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

    An embedded model is built here; one from the hub is downloaded, one from a local directory copied.

    Raises:
        UserError: the model can't be had.
    """
    if entry["kind"] == "hub":
        _fetch_model(entry["source"], entry.get("revision"), output)
        return
    shape = ("seed", "hidden_size", "layers", "heads", "feed_forward_size")
    tokenizer = train_tokenizer(corpus, varying, entry["merges"])
    model = build_embedded_model(tokenizer, **{key: entry[key] for key in shape})
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def _fetch_model(source: str, revision: str | None, output: Path) -> None:
    if Path(source).is_dir():
        shutil.copytree(source, output, ignore=shutil.ignore_patterns(".*"))
    else:
        try:
            snapshot_download(source, revision=revision, local_dir=output, allow_patterns=HUB_FILES)
        except (OSError, ValueError, HfHubHTTPError) as error:
            where = f"{source}, revision {revision}" if revision else source
            raise UserError(
                f"models: {where} is no local directory and can't be downloaded from the hub "
                f"({_first_line(error)})"
            ) from error
    load_model(output, device="cpu")  # a directory that isn't complete is refused here


def load_model(path: Path | str, device: str = "auto") -> LanguageModel:
    """Load a model directory, in evaluation mode (there is no dropout anywhere).

    Raises:
        UserError: there is no complete model at that path.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="sdpa")
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a complete model directory ({_first_line(error)})") from error
    return LanguageModel(model.to(device).eval(), ChatFormat(tokenizer), Path(path))


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
