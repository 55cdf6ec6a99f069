"""Chat templates: rendering them, and replacing those under which a conversation can't grow.

Some write earlier turns differently once a conversation goes on (Qwen3 drops the empty block of thought that opens a
reply), which a key-value cache can't follow; others write today's date, so that no run could be repeated. They are
replaced in the model directory, so that all that read it, an inference server too, use the same format.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from social_dilemmas.errors import UserError

SYSTEM, FIRST, REPLY, SECOND = "system-text", "first-user-text", "reply-text", "second-user-text"
THINK, END_OF_THOUGHT = "<think>", "</think>"
TODAY = date(2024, 7, 26)  # for templates that write a date; Llama 3.1's default


def dialogue(*texts: str) -> list[dict[str, str]]:
    """Messages with these texts, alternately from the user and the assistant."""
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


def render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]], reply: bool = True
) -> str:
    """What a chat template makes of messages, thinking off, at a fixed date; `reply` opens the next reply."""
    rendered = tokenizer.apply_chat_template(
        [dict(message) for message in messages],
        tokenize=False,
        add_generation_prompt=reply,
        enable_thinking=False,
        strftime_now=TODAY.strftime,
    )
    assert isinstance(rendered, str)
    return rendered


def why_unfit(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Why turns can't be appended under a chat template, as the end of a sentence about it; None if they can."""
    whole = render(tokenizer, dialogue(FIRST, REPLY, SECOND))
    if not whole.startswith(render(tokenizer, dialogue(FIRST)) + REPLY):
        return "changes earlier turns when a conversation grows"
    if "strftime_now" in tokenizer.get_chat_template():
        return "writes the date of the day"
    if _leaves_thought_open(whole):
        return "opens a thought before a reply"
    return None


def _leaves_thought_open(opening: str) -> bool:
    """Whether a reply that follows would stand inside a thought, as in DeepSeek's distilled models."""
    return opening.rfind(THINK) > opening.rfind(END_OF_THOUGHT)


def trims(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a template strips white space around a user's text; raises UserError if it changes it otherwise."""
    padded, bare = f" \n{FIRST}\n ", render(tokenizer, dialogue(FIRST))
    rendered = render(tokenizer, dialogue(padded))
    if rendered not in (bare, bare.replace(FIRST, padded)):
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} changes what users say, beyond stripping outer white space:"
            " choose another model"
        )
    return rendered == bare


def append_only(tokenizer: PreTrainedTokenizerBase) -> str:
    """A chat template with the same frames that never changes earlier turns.

    Every reply is framed as the tokenizer's own template frames the next one: what opens it stays in the history.
    Raises UserError if that template's turns don't stand one after the other.
    """
    asked = render(tokenizer, dialogue(FIRST), reply=False)
    opening = render(tokenizer, dialogue(FIRST))
    answered = render(tokenizer, dialogue(FIRST, REPLY), reply=False)
    whole = render(tokenizer, dialogue(FIRST, REPLY, SECOND))
    before, _, after = asked.partition(FIRST)
    reply_after = answered.partition(REPLY)[2]
    between, _, last = whole.partition(REPLY)[2].partition(SECOND)
    ordered = (opening, asked), (between, reply_after), (last, after)
    if not all(text.startswith(start) for text, start in ordered):
        name = tokenizer.name_or_path
        raise UserError(
            f"the chat template of {name} doesn't write turns one after the other: choose another model"
        )
    reply_before = opening.removeprefix(asked)
    if _leaves_thought_open(reply_before):
        reply_before += f"\n{END_OF_THOUGHT}\n\n"
    user_before = between.removeprefix(reply_after)
    text = "(message.content | trim)" if trims(tokenizer) else "message.content"
    system = "{{ raise_exception('this model knows the roles user and assistant only') }}"
    if frame := _system_frame(tokenizer):
        system = f"{{{{ {frame[0]!a} + {text} + {frame[1]!a} }}}}"
    return (
        "{% for message in messages %}"
        "{% if message.role == 'user' %}"
        f"{{% if loop.first %}}{{{{ {before!a} }}}}"
        f"{{% elif loop.previtem.role != 'system' %}}{{{{ {user_before!a} }}}}{{% endif %}}"
        f"{{{{ {text} + {after!a} }}}}"
        "{% elif message.role == 'assistant' %}"
        f"{{{{ {reply_before!a} + {text} + {reply_after!a} }}}}"
        "{% elif message.role == 'system' and loop.first %}"
        f"{system}"
        "{% else %}"
        "{{ raise_exception('turns of the user and the assistant must alternate') }}"
        "{% endif %}"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{{{{ {reply_before!a} }}}}{{% endif %}}"
    )


def system_turn(tokenizer: PreTrainedTokenizerBase, text: str) -> list[dict[str, str]]:
    """A system turn, as messages to stand before a dialogue; raises UserError if a template knows none."""
    if _system_frame(tokenizer) is None:
        name = tokenizer.name_or_path
        raise UserError(
            f"the chat template of {name} knows no system turn: leave out the game's rule system"
        )
    return [{"role": "system", "content": text}]


def _system_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str] | None:
    """What a template writes before a system turn, and from there to the first user's text; None without the role."""
    messages = [{"role": "system", "content": SYSTEM}, *dialogue(FIRST)]
    try:
        before, _, rest = render(tokenizer, messages, reply=False).partition(SYSTEM)
    except TemplateError:
        return None
    return before, rest.partition(FIRST)[0]
