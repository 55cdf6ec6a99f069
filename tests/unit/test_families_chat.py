"""Chat formats of the published families: a conversation in pieces is what the template gives for the whole."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.conftest import hub_entry

from social_dilemmas.errors import UserError
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.model import load_model, write_base_model
from social_dilemmas.policy.template import append_only, render, why_unfit

if TYPE_CHECKING:
    from tests.unit.conftest import BaseOf, FamilyOf, Published

FAMILIES = ("qwen2", "llama", "qwen3", "gemma3")
WORDS = ("I have rock", "<3 coins>", "10", "  ", "\n\n", "naïve café", "🙂", "<b>", "user", "x")
PROMPT = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), min_size=1, max_size=8).map("".join)
REPLY = PROMPT.map(lambda text: f"<{text}>")  # as all grammars begin and end with fixed text


@pytest.fixture(scope="module", params=FAMILIES)
def chat(request: pytest.FixtureRequest, base_of: "BaseOf") -> ChatFormat:
    """The format of a family's model directory, as the workflow writes it."""
    return base_of(request.param).chat


def grown(chat: ChatFormat, prompts: list[str], replies: list[str]) -> list[int]:
    """A conversation turn by turn, up to where the last reply begins."""
    tokens = [*chat.opening(prompts[0])]
    for prompt, reply in zip(prompts[1:], replies, strict=True):
        tokens += [*chat.encode_text(reply), chat.end_token, *chat.following(prompt)]
    return tokens


def whole(chat: ChatFormat, prompts: list[str], replies: list[str]) -> list[int]:
    """The same by the tokenizer's own template."""
    messages = [{"role": "user", "content": prompts[0]}]
    for prompt, reply in zip(prompts[1:], replies, strict=True):
        messages.append({"role": "assistant", "content": reply})
        messages.append({"role": "user", "content": prompt})
    return [
        *chat.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    ]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), turns=st.integers(1, 5))
def test_growing_equals_the_template_of_the_whole(
    chat: ChatFormat, data: st.DataObject, turns: int
) -> None:
    plain = PROMPT.filter(lambda text: not any(mark in text for mark in chat.control_tokens))
    prompts = data.draw(st.lists(plain, min_size=turns, max_size=turns))
    replies = data.draw(st.lists(plain.map("<{}>".format), min_size=turns - 1, max_size=turns - 1))
    assert grown(chat, prompts, replies) == whole(chat, prompts, replies)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_control_tokens_in_a_text_stay_text(chat: ChatFormat, data: st.DataObject) -> None:
    marks = st.sampled_from(sorted(chat.control_tokens)) | st.sampled_from(("<", "hi ", "|>", "x"))
    said = "".join(["said: ", *data.draw(st.lists(marks, min_size=1, max_size=6)), "."])
    control = {*chat.control_tokens.values()}
    assert not control & {*chat.encode_text(said)}
    assert chat.decode(chat.encode_text(said)) == said
    for frame in (chat.opening, chat.following):
        assert [t for t in frame(said) if t in control] == [t for t in frame("x") if t in control]
        assert said in chat.decode(frame(said))


@pytest.mark.parametrize("name", FAMILIES)
def test_all_of_a_familys_control_tokens_are_known(
    name: str, base_of: "BaseOf", family_of: "FamilyOf"
) -> None:
    assert {*base_of(name).chat.control_tokens} >= {*family_of(name).control}


@pytest.mark.parametrize(
    ("name", "opening", "following"),
    [
        (
            "qwen2",
            "<|im_start|>system\nYou are a friendly model.<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
            "\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llama",
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
            "Known until: 2023\nDate: 26 Jul 2024\n\n<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            "qwen3",
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
            "\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            "gemma3",
            "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
            "\n<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
        ),
    ],
)
def test_frames_are_the_familys(name: str, opening: str, following: str, base_of: "BaseOf") -> None:
    chat = base_of(name).chat
    assert chat.decode(chat.opening("Hi")) == opening
    assert chat.decode(chat.following("Hi")) == following
    begin = chat.tokenizer.bos_token_id
    assert chat.opening("Hi").count(begin) == (name in ("llama", "gemma3"))
    assert begin not in chat.following("Hi")


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_white_space_around_a_prompt_is_dropped_where_the_template_does(
    name: str, base_of: "BaseOf"
) -> None:
    chat = base_of(name).chat
    assert chat.opening(" \n Hi\t") == chat.opening("Hi")
    assert chat.following(" \n Hi\t") == chat.following("Hi")


def test_a_template_that_drops_thoughts_is_refused_as_it_is(family_of: "FamilyOf") -> None:
    tokenizer = family_of("qwen3").tokenizer
    assert why_unfit(tokenizer) == "changes earlier turns when a conversation grows"
    with pytest.raises(UserError, match="changes earlier turns"):
        ChatFormat(tokenizer)


def test_a_template_that_drops_thoughts_is_replaced_in_the_model_directory(
    published: "Published", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = str(published("qwen3"))
    with caplog.at_level(logging.INFO, "social_dilemmas"):
        write_base_model(hub_entry(source, name="q"), (), (), tmp_path / "base")
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"models[q]: the chat template of {source} changes earlier turns" in line
    tokenizer = load_model(tmp_path / "base", device="cpu").tokenizer
    thought = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    messages = [
        {"role": "system", "content": "Be fair."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "<A>"},
        {"role": "user", "content": "two"},
    ]
    expected = (
        "<|im_start|>system\nBe fair.<|im_end|>\n<|im_start|>user\none<|im_end|>\n"
        f"{thought}<A><|im_end|>\n<|im_start|>user\ntwo<|im_end|>\n{thought}"
    )
    assert render(tokenizer, messages) == expected
    assert render(tokenizer, messages[1:]) == expected.partition("Be fair.<|im_end|>\n")[2]
    # Whoever reads the directory gets this, whatever is said about thinking.
    for thinking in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
        assert (
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **thinking
            )
            == expected
        )


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma3"])
def test_other_templates_stay_as_they_are(
    name: str, published: "Published", base_of: "BaseOf"
) -> None:
    template = load_model(published(name), device="cpu").tokenizer.chat_template
    assert base_of(name).tokenizer.chat_template == template


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma3"])
@pytest.mark.parametrize("reply", [True, False])
def test_an_append_only_template_has_the_same_frames(
    name: str, reply: bool, family_of: "FamilyOf"
) -> None:
    """Where nothing needs to be replaced, it would change nothing."""
    tokenizer = family_of(name).tokenizer
    turns = [("user", " one'\"\\\n"), ("assistant", "<A>"), ("user", "{{two}}"), ("assistant", "y")]
    messages = [{"role": role, "content": content} for role, content in turns]
    system = {"role": "system", "content": "Be fair."}
    some = [messages[:1], messages[:2], messages, [system, *messages]]
    before = [render(tokenizer, each, reply) for each in some]
    tokenizer.chat_template = append_only(tokenizer)
    assert [render(tokenizer, each, reply) for each in some] == before


def test_a_template_with_todays_date_gets_a_fixed_one(family_of: "FamilyOf") -> None:
    tokenizer = family_of("llama").tokenizer
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "'26 Jul 2024'", "strftime_now('%d %b %Y')"
    )
    with pytest.raises(UserError, match="writes the date of the day"):
        ChatFormat(tokenizer)
    tokenizer.chat_template = append_only(tokenizer)
    chat = ChatFormat(tokenizer)
    assert "Date: 26 Jul 2024" in chat.decode(chat.opening("Hi"))


def test_a_template_that_rewords_is_refused(family_of: "FamilyOf") -> None:
    tokenizer = family_of("qwen2").tokenizer
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message.content", "message.content.lstrip()"
    )
    with pytest.raises(UserError, match="but for outer white space"):
        ChatFormat(tokenizer)
