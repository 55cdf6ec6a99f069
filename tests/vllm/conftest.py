"""Models and adapters for real vLLM servers, which run in the environment that `make vllm` makes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conftest import FOREIGN
from tests.unit.mixed_adapters import random_policy, random_weights

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.backends.vllm.interpreter import find_python
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.config.schema.models import EmbeddedModel
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.games import game_names, game_of
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import build_embedded_model, write_base_model
from social_dilemmas.policy.policy import Policy

if TYPE_CHECKING:
    from tests.conftest import MakeTokenizer

SHAPE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 96,
}  # vLLM needs wide heads
GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": 3, "rules": {"message_limit": 60}}
SERVED = {LEARNER: "first", "other": "second"}
"""The adapters of the policy by the names under which the server has them."""


@pytest.fixture(scope="session")
def vllm() -> Vllm:
    """The interpreter with vLLM; without one these tests fail."""
    return Vllm(python=find_python(None), request_timeout=120.0)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the embedded tokenizer."""
    path = tmp_path_factory.mktemp("embedded") / "model"
    entry = EmbeddedModel(name="tiny", kind="embedded", seed=0, merges=64, **SHAPE)
    write_base_model(entry, *game_texts([{"name": name} for name in game_names()]), path)
    return path


@pytest.fixture(scope="session")
def chatml(tmp_path_factory: pytest.TempPathFactory, make_tokenizer: "MakeTokenizer") -> Path:
    """A model with a byte-level vocabulary, in which a reply can be written in many ways."""
    tokenizer = make_tokenizer(*FOREIGN["chatml"])
    tokenizer.pad_token, tokenizer.eos_token = tokenizer.eos_token, "<|im_end|>"
    path = tmp_path_factory.mktemp("chatml") / "model"
    build_embedded_model(tokenizer, seed=1, context=4096, **SHAPE).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def policy(embedded: Path) -> Policy:
    """The embedded model with the adapters `default` and `other`, far from each other and from none."""
    policy = random_policy(embedded, game_of(GAME), rank=4, seed=1, scale=0.2)
    policy.put("other", random_weights(policy, seed=2, scale=0.2))
    return policy


@pytest.fixture(scope="session")
def server(
    vllm: Vllm, policy: Policy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """A server that has both adapters."""
    folder = tmp_path_factory.mktemp("server")
    server = VllmServer(
        policy.language_model.path,
        vllm,
        folder / "server.log",
        device="cpu",
        dtype="float32",
        adapters=3,
        rank=4,
        reply_masks={masks_fingerprint(policy.masks): GAME},
    )
    server.start()
    for name, served in SERVED.items():
        policy.write(name, folder / served)
        server.load_adapter(served, folder / served)
    yield server
    server.stop()
