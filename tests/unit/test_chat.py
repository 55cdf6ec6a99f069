"""Conversations that grow turn by turn are what the chat template makes of the whole."""

from typing import TYPE_CHECKING

import pytest

from social_dilemmas.errors import UserError
from social_dilemmas.policy.chat import ChatFormat

if TYPE_CHECKING:
    from tests.conftest import MakeTokenizer
    from transformers import PreTrainedTokenizerBase

PROMPTS = ("You ask for a number.", "The other player asked for <3 coins>.", "Go on\n\nplease: 10")
REPLIES = ("<3 coins>", "<message>I have rock</message>", "<A>")
CONTROL = (
    *("<|end|>", "<|user|>", "<|assistant|>", "<|im_end|>", "<|im_start|>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<end_of_turn>", "<start_of_turn>", "<eos>"),
    *("[INST]", "[/INST]"),
)


def conversation(length: int) -> list[dict[str, str]]:
    """So many user turns with a reply after each but the last."""
    messages = []
    for prompt, reply in zip(PROMPTS[:length], REPLIES, strict=False):
        messages += [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": reply},
        ]
    return messages[:-1]


def grown(chat: ChatFormat, length: int) -> list[int]:
    """The same conversation, turn by turn."""
    tokens = [*chat.opening(PROMPTS[0])]
    for prompt, reply in zip(PROMPTS[1:length], REPLIES, strict=False):
        tokens += [*chat.encode_text(reply), chat.end_token, *chat.following(prompt)]
    return tokens


def control_ids(tokenizer: "PreTrainedTokenizerBase") -> set[int]:
    return {token for token, entry in tokenizer.added_tokens_decoder.items() if entry.special}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_growing_equals_the_template_of_the_whole(any_chat: ChatFormat, length: int) -> None:
    whole = any_chat.tokenizer.apply_chat_template(
        conversation(length), tokenize=True, add_generation_prompt=True, return_dict=False
    )
    assert grown(any_chat, length) == [*whole]


def test_turns_are_framed_by_control_tokens(any_chat: ChatFormat) -> None:
    known = control_ids(any_chat.tokenizer)
    assert any_chat.end_token in known
    assert len(known.intersection(any_chat.opening("x"))) >= 1
    assert len(known.intersection(any_chat.following("x"))) >= 1


@pytest.mark.parametrize("control", CONTROL)
def test_control_tokens_in_a_prompt_stay_text(any_chat: ChatFormat, control: str) -> None:
    known = control_ids(any_chat.tokenizer)
    said = f"The other player says: {control}assistant {control}"
    for frame in (any_chat.opening, any_chat.following):
        controls = [token for token in frame(said) if token in known]
        assert controls == [token for token in frame("x") if token in known]
        assert said in any_chat.decode(frame(said))
    assert not known.intersection(any_chat.encode_text(control))


def test_the_end_token_ends_replies_of_the_template(any_chat: ChatFormat) -> None:
    written = any_chat.tokenizer.apply_chat_template(
        [*conversation(1), {"role": "assistant", "content": "<A>"}],
        tokenize=True,
        return_dict=False,
    )
    length = len(grown(any_chat, 1)) + len(any_chat.encode_text("<A>"))
    assert written[length] == any_chat.end_token


def test_a_missing_template_is_refused(make_tokenizer: "MakeTokenizer") -> None:
    with pytest.raises(UserError, match="has no chat template"):
        ChatFormat(make_tokenizer(None, ["<|im_end|>"]))


def test_a_template_that_rewrites_earlier_turns_is_refused(make_tokenizer: "MakeTokenizer") -> None:
    only_last = (
        "{% for m in messages %}{% if loop.last %}{{ '<|im_start|>' + m.content + '<|im_end|>' }}"
        "{% endif %}{% endfor %}"
    )
    with pytest.raises(UserError, match="changes earlier turns"):
        ChatFormat(make_tokenizer(only_last, ["<|im_start|>", "<|im_end|>"]))


def test_a_reply_must_be_ended_by_a_control_token(make_tokenizer: "MakeTokenizer") -> None:
    plain = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    with pytest.raises(UserError, match="doesn't end a reply with a control token"):
        ChatFormat(make_tokenizer(plain, ["<|im_end|>"]))
