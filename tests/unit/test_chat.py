"""Chat formats: a conversation that grows turn by turn is what the chat template gives for the whole."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import MakeTokenizer
from tests.unit.conftest import BaseOf, FamilyOf, Published
from tests.unit.hostile import assert_harmless
from tokenizers import AddedToken

from social_dilemmas.config.schema.models import HubModel
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.template import append_only, dialogue, render

FAMILIES = ("qwen2", "llama", "qwen3", "gemma3")
WORDS = ("I have rock", "<3 coins>", "10", "  ", "\n\n", "naïve café", "🙂", "<b>", "user", "x")
PROMPT = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), min_size=1, max_size=8).map("".join)
CONTROL = (
    *("<|end|>", "<|user|>", "<|assistant|>", "<|im_end|>", "<|im_start|>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<end_of_turn>", "<start_of_turn>", "<eos>"),
    *("[INST]", "[/INST]"),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), turns=st.integers(1, 5))
def test_growing_equals_the_template_of_the_whole(
    any_chat: ChatFormat, data: st.DataObject, turns: int
) -> None:
    """Replies begin and end with fixed text, as in all grammars."""
    plain = PROMPT.filter(lambda text: not any(mark in text for mark in any_chat.control_tokens))
    first, *prompts = data.draw(st.lists(plain, min_size=turns, max_size=turns))
    replies = [f"<{data.draw(plain)}>" for _ in prompts]
    grown = [*any_chat.opening(first)]
    for reply, prompt in zip(replies, prompts, strict=True):
        grown += [*any_chat.encode_text(reply), any_chat.end_token, *any_chat.following(prompt)]
    texts = [text for turn in zip(replies, prompts, strict=True) for text in turn]
    whole = any_chat.tokenizer.apply_chat_template(
        dialogue(first, *texts), add_generation_prompt=True, return_dict=False
    )
    assert grown == [*whole]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_control_tokens_in_a_text_stay_text(any_chat: ChatFormat, data: st.DataObject) -> None:
    known = st.sampled_from(sorted(any_chat.control_tokens))
    marks = known | st.sampled_from(CONTROL) | st.sampled_from(("<", "hi ", "|>", "x"))
    said = "".join(["said: ", *data.draw(st.lists(marks, min_size=1, max_size=6)), "."])
    control = {*any_chat.control_tokens.values()}
    assert not control & {*any_chat.encode_text(said)}
    assert any_chat.decode(any_chat.encode_text(said)) == said
    for frame in (any_chat.opening, any_chat.following):
        framing = [token for token in frame("x") if token in control]
        assert framing
        assert [token for token in frame(said) if token in control] == framing
        assert said in any_chat.decode(frame(said))


SPELLINGS = (
    ("<｜User｜>", "<｜Assistant｜>", "<｜end｜>", "<｜tool▁call｜>"),
    ("[INST]", "[/INST]", "[END]", "[TOOL_CALLS]"),
    ("<start_of_role>", "<end_of_role>", "<end_of_text>", "<start_of_image>"),
    ("{user}", "{model}", "{end}", "<|tool|>"),
)


@pytest.mark.parametrize("marks", SPELLINGS, ids=lambda marks: marks[0])
def test_turn_tokens_in_any_spelling_stay_text_in_a_message(
    marks: tuple[str, ...], family_of: FamilyOf
) -> None:
    """Also those that the tokenizer doesn't call special; hostile messages of their parts."""
    tokenizer = family_of("qwen2").tokenizer
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
    user, model, end, _ = marks
    tokenizer.chat_template = (
        f"{{% for m in messages %}}{{{{ ('{user}' if m.role == 'user' else '{model}') + m.content }}}}"
        f"{{% if m.role == 'assistant' %}}{end}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{model}{{% endif %}}"
    )
    chat = ChatFormat(tokenizer)
    control = tokenizer.convert_tokens_to_ids(marks)
    assert_harmless(chat, marks, 1000)
    framed = [token for token in chat.following(f"{user}no{end}") if token in control]
    assert framed == tokenizer.convert_tokens_to_ids([user, model])


@pytest.mark.parametrize("name", FAMILIES)
def test_no_message_of_very_many_holds_a_control_token(
    name: str, base_of: BaseOf, family_of: FamilyOf
) -> None:
    assert_harmless(base_of(name).chat, family_of(name).control, 100_000)


@pytest.mark.parametrize("kept", [True, False])
def test_a_thought_that_the_template_opens_is_closed(
    kept: bool, family_of: FamilyOf, tmp_path: Path
) -> None:
    """Whether or not earlier turns keep it."""
    tokenizer = family_of("qwen3").tokenizer
    thought = "<think>\\n" if kept else ""
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
        f"{{% if m.role == 'assistant' %}}{{{{ '{thought}' }}}}{{% endif %}}"
        "{{ m.content + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
    )
    with pytest.raises(UserError, match="opens a thought" if kept else "changes earlier turns"):
        ChatFormat(tokenizer)
    tokenizer.chat_template = append_only(tokenizer)
    chat = ChatFormat(tokenizer)
    assert chat.decode(chat.opening("Hi")).endswith(
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_all_of_a_familys_control_tokens_are_known(
    name: str, base_of: BaseOf, family_of: FamilyOf
) -> None:
    assert {*base_of(name).chat.control_tokens} >= {*family_of(name).control}


def test_a_template_that_drops_thoughts_is_replaced_in_the_model_directory(
    published: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = published("qwen3")
    with caplog.at_level(logging.INFO, "social_dilemmas"):
        model = HubModel(name="q", kind="hub", source=str(source))
        write_base_model(model, (), (), tmp_path / "base")
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"models[q]: the chat template of {source} changes earlier turns" in line
    tokenizer = load_model(tmp_path / "base", device="cpu").tokenizer
    thought = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    messages = [{"role": "system", "content": "Be fair."}, *dialogue("one", "<A>", "two")]
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
def test_other_templates_stay_as_they_are(name: str, published: Published, base_of: BaseOf) -> None:
    template = load_model(published(name), device="cpu").tokenizer.chat_template
    assert base_of(name).tokenizer.chat_template == template


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma3"])
@pytest.mark.parametrize("reply", [True, False])
def test_an_append_only_template_has_the_same_frames(
    name: str, reply: bool, family_of: FamilyOf
) -> None:
    """Where nothing needs to be replaced, it would change nothing."""
    tokenizer = family_of(name).tokenizer
    messages = dialogue(" one'\"\\\n", "<A>", "{{two}}", "y")
    system = {"role": "system", "content": "Be fair."}
    some = [messages[:1], messages[:2], messages, [system, *messages]]
    before = [render(tokenizer, each, reply) for each in some]
    tokenizer.chat_template = append_only(tokenizer)
    assert [render(tokenizer, each, reply) for each in some] == before


@pytest.mark.parametrize("name", ["qwen2", "llama", "qwen3", "gemma3"])
def test_a_system_turn_stands_before_the_rules(name: str, base_of: BaseOf) -> None:
    chat = base_of(name).chat
    told = chat.with_system("Be fair.")
    messages = [{"role": "system", "content": "Be fair."}, *dialogue("one", "<A>", "two")]
    assert chat.decode(told.opening("one")) == render(chat.tokenizer, messages[:2])
    assert told.following("two") == chat.following("two")
    assert chat.with_system("") is chat
    policy = Policy(base_of(name), build_game("prisoners_dilemma", 2, {"system": " Be fair. "}))
    assert policy.chat.opening("one") == told.opening("one")


def test_a_template_without_a_system_turn_refuses_one(tiny: LanguageModel) -> None:
    with pytest.raises(UserError, match="knows no system turn: leave out the game's rule system"):
        tiny.chat.with_system("Be fair.")


ONLY_LAST = (
    "{% for m in messages %}{% if loop.last %}{{ '<|im_start|>' + m.content + '<|im_end|>' }}"
    "{% endif %}{% endfor %}"
)
NO_CONTROL = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        (None, "has no chat template"),
        (ONLY_LAST, "changes earlier turns"),
        (NO_CONTROL, "doesn't end a reply with a control token"),
    ],
)
def test_an_unfit_template_is_refused(
    template: str | None, complaint: str, make_tokenizer: MakeTokenizer
) -> None:
    with pytest.raises(UserError, match=complaint):
        ChatFormat(make_tokenizer(template, ["<|im_start|>", "<|im_end|>"]))


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("qwen3", "", "", "changes earlier turns when a conversation grows"),
        ("llama", "'26 Jul 2024'", "strftime_now('%d %b %Y')", "writes the date of the day"),
        ("qwen2", "message.content", "message.content.lstrip()", "beyond stripping outer white"),
    ],
    ids=["drops thoughts", "today's date", "rewords"],
)
def test_a_familys_template_is_refused(
    name: str, old: str, new: str, complaint: str, family_of: FamilyOf
) -> None:
    tokenizer = family_of(name).tokenizer
    tokenizer.chat_template = tokenizer.chat_template.replace(old, new)
    with pytest.raises(UserError, match=complaint):
        ChatFormat(tokenizer)
    if name == "llama":  # the append-only template has a fixed date
        tokenizer.chat_template = append_only(tokenizer)
        chat = ChatFormat(tokenizer)
        assert "Date: 26 Jul 2024" in chat.decode(chat.opening("Hi"))
