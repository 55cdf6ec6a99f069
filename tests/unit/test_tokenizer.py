"""The embedded tokenizer: few tokens for what the games say, and any other text as it is."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scripted_trajectories import scripted_trajectories
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.trust_and_split import HANDS, claim, dealt
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.tokenizer import ASSISTANT, END, PAD, USER, train_tokenizer

CONTROL = (USER, ASSISTANT, END, PAD)
LONGEST = {"split": 215, "trust_and_split": 230, "deal_or_no_deal": 500}  # tokens of ten rounds
LONGEST_OF_ACTIONS = 95


def train() -> PreTrainedTokenizerBase:
    return train_tokenizer(
        ["You have rock. Take 10 of <A> now.", "Take 2."], ["You have rock."], merges=8
    )


@pytest.fixture(scope="module")
def trained() -> PreTrainedTokenizerBase:
    return train()


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


@pytest.mark.parametrize("name", game_names())
def test_a_conversation_of_ten_rounds_is_short(tiny: LanguageModel, name: str) -> None:
    longest = LONGEST.get(name, LONGEST_OF_ACTIONS)
    for player in scripted_player_names(name):  # in matches that aren't in the corpus
        trajectories = scripted_trajectories(tiny, name, [10] * 4, player, seed=1000)
        assert len(trajectories) == 8
        assert max(len(trajectory.tokens) for trajectory in trajectories) <= longest


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(tiny: LanguageModel, text: str) -> None:
    tokens = tiny.chat.encode_text(text)
    assert tiny.chat.decode(tokens) == unicodedata.normalize("NFC", text)


def test_control_tokens_are_the_special_ones(tiny: LanguageModel) -> None:
    ids = [tiny.tokenizer.convert_tokens_to_ids(token) for token in CONTROL]
    assert {*tiny.tokenizer.all_special_ids} == {*ids}
    assert tiny.tokenizer.eos_token == END
    assert tiny.tokenizer.pad_token_id == tiny.tokenizer.convert_tokens_to_ids(PAD)


@pytest.mark.parametrize(
    "text",
    [
        *("<A>", "<B>", "<message>", "</message>", "<10 coins>", "<0 hats>", "<7 balls>"),
        *(sentence(hand) for sentence in (dealt, claim) for hand in HANDS),
    ],
)
def test_what_varies_is_one_token_wherever_it_stands(tiny: LanguageModel, text: str) -> None:
    (token,) = tiny.chat.encode_text(text)
    assert token in tiny.chat.encode_text(f"The other player says: {text} Send your message.")


def test_segments_are_tokens(trained: PreTrainedTokenizerBase) -> None:
    tokens = token_ids(trained, "You have rock. Take 10 of <A> now.")
    assert [trained.decode([token]) for token in tokens] == [
        *("You have rock.", " Take ", "10", " of ", "<A>", " now.")
    ]
    assert len(token_ids(trained, "Take 10.")) == 3  # its pieces "Take ", "10", "." stand alone


def test_training_is_deterministic(trained: PreTrainedTokenizerBase) -> None:
    assert train().get_vocab() == trained.get_vocab()


def test_a_saved_tokenizer_encodes_the_same(tiny: LanguageModel, base_model: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(base_model)
    game = build_game("trust_and_split", 3)
    prompt = game.start(0).turns()[0].prompt
    for text in (prompt, "<|end|> <3 coins>", "石 never seen", *HANDS):
        assert tuple(token_ids(loaded, text)) == tiny.chat.encode_text(text)
    assert loaded.chat_template == tiny.tokenizer.chat_template


def test_other_roles_are_refused(tiny: LanguageModel) -> None:
    with pytest.raises(Exception, match="roles user and assistant only"):
        tiny.tokenizer.apply_chat_template([{"role": "system", "content": "x"}], tokenize=False)
