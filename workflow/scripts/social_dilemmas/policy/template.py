"""Chat templates: rendering them, and replacing those that don't let a conversation grow.

Some templates write earlier turns differently once a conversation goes on (Qwen3 drops the empty block of thought
that opens a reply), others write today's date. A key-value cache can't follow the first, and no run could be repeated
with the second. Such a template is replaced, once and for all, in the model directory: so everything that reads the
directory, an inference server too, speaks the same format.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from social_dilemmas.errors import UserError

SYSTEM, FIRST, REPLY, SECOND = "system-text", "first-user-text", "reply-text", "second-user-text"
TODAY = date(2024, 7, 26)  # for templates that write a date; the one that Llama 3.1's assumes

Messages = Sequence[Mapping[str, str]]


def conversation(*texts: str) -> list[dict[str, str]]:
    """These texts as user turns and replies by turns."""
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


def render(tokenizer: PreTrainedTokenizerBase, messages: Messages, reply: bool = True) -> str:
    """What a tokenizer's chat template makes of a conversation, thinking off, at a fixed date.

    Args:
        reply: end where the next reply begins.
    """
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
    """What speaks against a chat template, as the end of a sentence about it; None if nothing does."""
    whole = render(tokenizer, conversation(FIRST, REPLY, SECOND))
    if not whole.startswith(render(tokenizer, conversation(FIRST)) + REPLY):
        return "changes earlier turns when a conversation grows"
    if "strftime_now" in tokenizer.get_chat_template():
        return "writes the date of the day"
    return None


def trims(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a chat template drops white space around a user's text."""
    padded, bare = f" \n{FIRST}\n ", render(tokenizer, conversation(FIRST))
    rendered = render(tokenizer, conversation(padded))
    if rendered not in (bare, bare.replace(FIRST, padded)):
        name = tokenizer.name_or_path
        raise UserError(
            f"the chat template of {name} changes what users say, but for outer white space"
        )
    return rendered == bare


def append_only(tokenizer: PreTrainedTokenizerBase) -> str:
    """A chat template with the frames of this tokenizer's that never changes earlier turns.

    Every reply is framed as the tokenizer's own template frames the next one: what opens it stays in the history.

    Raises:
        UserError: the template's turns don't stand one after the other.
    """
    asked = render(tokenizer, conversation(FIRST), reply=False)
    opening = render(tokenizer, conversation(FIRST))
    answered = render(tokenizer, conversation(FIRST, REPLY), reply=False)
    whole = render(tokenizer, conversation(FIRST, REPLY, SECOND))
    before, _, after = asked.partition(FIRST)
    _, _, reply_after = answered.partition(REPLY)
    _, _, rest = whole.partition(REPLY)
    between, _, last = rest.partition(SECOND)
    if not (
        opening.startswith(asked) and between.startswith(reply_after) and last.startswith(after)
    ):
        name = tokenizer.name_or_path
        raise UserError(f"the chat template of {name} doesn't write turns one after the other")
    reply_before = opening.removeprefix(asked)
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


def _system_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str] | None:
    """What a template writes before a system turn, and between it and the first user's text."""
    messages = [{"role": "system", "content": SYSTEM}, *conversation(FIRST)]
    try:
        rendered = render(tokenizer, messages, reply=False)
    except TemplateError:
        return None  # it knows no system turn
    before, _, rest = rendered.partition(SYSTEM)
    return before, rest.partition(FIRST)[0]
