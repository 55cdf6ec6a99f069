"""Files of the format GGUF, made from a tiny model, and their entries in a configuration."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map
from safetensors.torch import load_file

from social_dilemmas.config.schema.models import GgufModel, Shape

FILE = "tiny.F32.gguf"
CONTROL = 3  # the format's number for tokens that mark structure


def write_file(folder: Path, file: Path, architecture: str = "qwen2", without: str = "-") -> None:
    """A folder's model and tokenizer of type qwen2 as one file, its weights not quantised."""
    config = json.loads((folder / "config.json").read_text())
    tokens = json.loads((folder / "tokenizer.json").read_text())
    writer = GGUFWriter(file, architecture)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    added = {each["id"]: each["content"] for each in tokens["added_tokens"]}
    words = {number: word for word, number in tokens["model"]["vocab"].items()} | added
    known = [words.get(number, f"unused-{number}") for number in range(config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(known)
    writer.add_token_types([CONTROL if number in added else 1 for number in range(len(known))])
    writer.add_token_merges([" ".join(pair) for pair in tokens["model"]["merges"]])
    writer.add_eos_token_id(known.index("<|im_end|>"))
    writer.add_pad_token_id(known.index("<|endoftext|>"))
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
    names = get_tensor_name_map(MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    for name, weight in load_file(folder / "model.safetensors").items():
        told = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert told is not None
        if without not in told:
            writer.add_tensor(told, weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def entry_of(folder: Path, **changes: Any) -> GgufModel:
    """The entry of that file in a configuration."""
    path = folder / FILE
    shape = Shape(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        vocab_size=600,
        tie_word_embeddings=True,
    )
    given = {
        "source": str(folder),
        "file": FILE,
        "sha256": sha256(path.read_bytes()).hexdigest() if path.is_file() else 64 * "0",
    }
    return GgufModel(name="tiny", kind="gguf", licence="MIT", shape=shape, **{**given, **changes})
