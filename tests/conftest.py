"""A tiny model for all tests that need one; torch keeps to one thread.

Torch is only imported by tests that use it: those of the workflow don't, and start at once.
"""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from social_dilemmas.config.schema.models import EmbeddedModel
from social_dilemmas.games import declare, game_names
from social_dilemmas.run.job import COLLECT_AFTER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from social_dilemmas.policy.chat import ChatFormat
    from social_dilemmas.policy.model import LanguageModel

TINY = EmbeddedModel(
    name="tiny",
    kind="embedded",
    seed=0,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    merges=64,
)
GAMES = ("prisoners_dilemma", "split", "trust_and_split", "deal_or_no_deal")  # one of every kind
gc.set_threshold(COLLECT_AFTER)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def games_of_other_files_forgotten() -> None:
    """What another file's tests have loaded leaves its games declared."""
    declare(())


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded model of random weights, as a model directory."""
    from social_dilemmas.agents.scripted.corpus import game_texts
    from social_dilemmas.policy.model import write_base_model

    path = tmp_path_factory.mktemp("model") / "base"
    write_base_model(TINY, *game_texts([{"name": name} for name in game_names()]), path)
    return path


@pytest.fixture(scope="session")
def tiny(base_model: Path) -> "LanguageModel":
    """The same model, loaded; tests leave it as it is."""
    from social_dilemmas.policy.model import load_model

    return load_model(base_model, device="cpu")


@pytest.fixture(scope="session")
def chat(tiny: "LanguageModel") -> "ChatFormat":
    return tiny.chat


class MakeTokenizer(Protocol):
    """Builds a small byte-level tokenizer with such a chat template."""

    def __call__(self, template: str | None, marks: Sequence[str]) -> "PreTrainedTokenizerBase": ...


@pytest.fixture(scope="session")
def make_tokenizer() -> MakeTokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    def make(template: str | None, marks: Sequence[str]) -> "PreTrainedTokenizerBase":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        text = "You ask for <3 coins>. The other player says: <message>I have rock</message>"
        backend.train_from_iterator([text] * 3, trainer)
        # As with real models, only the first and the last token have a role that has a name.
        backend.add_special_tokens(["<bos>", "<eos>", *marks])
        return PreTrainedTokenizerFast(
            tokenizer_object=backend,
            bos_token="<bos>",
            eos_token="<eos>",
            chat_template=template,
        )

    return make
