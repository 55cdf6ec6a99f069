"""Models and adapters for real vLLM servers, which run in the environment that `make vllm` makes."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.backends.vllm.sampler import write_adapter
from social_dilemmas.backends.vllm.server import ServerSettings, VllmServer, find_python
from social_dilemmas.games import build_game, game_names
from social_dilemmas.policy.adapters import LEARNER, attach_learner, put_adapter
from social_dilemmas.policy.model import (
    LanguageModel,
    build_embedded_model,
    load_model,
    write_base_model,
)

SHAPE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 96,
}  # vLLM needs wide heads
GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": 3, "rules": {"message_limit": 60}}
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter with vLLM; without one these tests fail."""
    return find_python(None)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the embedded tokenizer."""
    path = tmp_path_factory.mktemp("embedded") / "model"
    entry = SimpleNamespace(kind="embedded", seed=0, merges=64, **SHAPE)
    write_base_model(entry, *game_texts([{"name": name} for name in game_names()]), path)
    return path


@pytest.fixture(scope="session")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a byte-level vocabulary, in which a reply can be written in many ways."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    text = (
        "You ask for <3 coins> of <10 coins>. The other player says: <message>I have rock</message>"
    )
    backend.train_from_iterator([text] * 3, trainer)
    backend.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = CHATML
    path = tmp_path_factory.mktemp("chatml") / "model"
    build_embedded_model(tokenizer, seed=1, context=4096, **SHAPE).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def language_model(embedded: Path) -> LanguageModel:
    return load_model(embedded, device="cpu")


@pytest.fixture(scope="session")
def agents(language_model: LanguageModel) -> PeftModel:
    """The embedded model with the adapters `default` and `other`, far from each other and from none."""
    model = attach_learner(language_model, rank=4, alpha=8, seed=0)
    randomise(model, LEARNER, seed=1)
    put_adapter(model, {}, "other")
    randomise(model, "other", seed=2)
    return model


def randomise(model: PeftModel, name: str, seed: int) -> None:
    """Give an adapter random weights that change what the model says."""
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        if f".{name}." in key:
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)


@pytest.fixture(scope="session")
def server(
    python: str,
    language_model: LanguageModel,
    agents: PeftModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[VllmServer]:
    """A server that has both adapters as `first` and `second`."""
    folder = tmp_path_factory.mktemp("server")
    masks = language_model.masks(build_game(*GAME.values()))
    server = VllmServer(
        language_model.path,
        ServerSettings(
            python=python, memory_share=0.5, context=None, start_timeout=900, request_timeout=120
        ),
        folder / "server.log",
        device="cpu",
        dtype="float32",
        adapters=3,
        rank=4,
        reply_masks={"game": GAME, "fingerprint": masks_fingerprint(masks)},
    )
    server.start()
    for name, served in ((LEARNER, "first"), ("other", "second")):
        write_adapter(agents, name, folder / served)
        server.load_adapter(served, folder / served)
    yield server
    server.stop()
