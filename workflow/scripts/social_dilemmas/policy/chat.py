"""A conversation that grows turn by turn, as token ids, exactly as the model's chat template writes the whole.

The template is asked once how turns are framed; from then on every turn only appends tokens. Text from players
is encoded as text: a control token spelled out inside a message stays text.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from social_dilemmas.errors import UserError
from social_dilemmas.policy.template import (
    FIRST,
    REPLY,
    SECOND,
    conversation,
    render,
    trims,
    why_unfit,
)

# Tokens that mark structure, though families don't call all of them special.
STRUCTURE = re.compile(r"<\|[^<>]+\|>|</?(?:think|tool_call|tool_response)>")


class ChatFormat:
    """How user turns and replies are framed by a tokenizer's chat template.

    Attributes:
        control_tokens: ids of all control tokens by how they are written, those without a role of their own included.
        end_token: id of the control token that ends a reply; it belongs to the reply.

    Raises:
        UserError: the tokenizer has no chat template, or one that turns can't be appended to.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        name = tokenizer.name_or_path
        if not tokenizer.chat_template:
            raise UserError(f"the tokenizer at {name} has no chat template")
        if reason := why_unfit(tokenizer):
            raise UserError(f"the chat template of {name} {reason}")
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        special = {entry.content: token for token, entry in added if entry.special}
        special |= dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        others = {e.content: token for token, e in added if STRUCTURE.fullmatch(e.content)}
        others = {content: token for content, token in others.items() if content not in special}
        self.control_tokens: dict[str, int] = special | others
        self._control = _any_of(self.control_tokens)
        # The tokenizer can be told to leave alone in a text what it calls special, but not the others.
        self._others = _any_of(others) if others else None
        self._opening = render(tokenizer, conversation(FIRST))
        self._trims = trims(tokenizer)
        whole = render(tokenizer, conversation(FIRST, REPLY, SECOND))
        end, self._following = self._split_end(whole.removeprefix(self._opening + REPLY))
        self.end_token = self.control_tokens[end]
        remember = lru_cache(maxsize=1 << 16)  # prompts and replies recur all the time
        self.encode_text = remember(self._encode_text)
        self.opening = remember(self._opening_tokens)
        self.following = remember(self._following_tokens)
        self.decode = remember(self._decode)
        self._check()

    def _check(self) -> None:
        """See to it that a conversation in pieces is, token for token, what the template gives for the whole."""
        whole = self.tokenizer.apply_chat_template(
            conversation(FIRST, REPLY, SECOND),
            add_generation_prompt=True,
            enable_thinking=False,
            return_dict=False,
        )
        reply = (*self.encode_text(REPLY), self.end_token)
        if (*self.opening(FIRST), *reply, *self.following(SECOND)) != tuple(whole):
            name = self.tokenizer.name_or_path
            raise UserError(
                f"the turns of {name} can't be encoded one by one: choose another model"
            )

    def _split_end(self, between: str) -> tuple[str, str]:
        found = self._control.match(between)
        if not found:
            raise UserError(
                f"the chat template of {self.tokenizer.name_or_path} doesn't end a reply with a control token"
            )
        return found[0], between[found.end() :]

    def _encode_text(self, text: str) -> tuple[int, ...]:
        """Token ids of plain text; control tokens spelled out in it are encoded as text."""
        pieces, start = [], 0
        for found in self._others.finditer(text) if self._others else ():
            pieces.append(text[start : found.start() + 1])  # cut in two, it is no token any more
            start = found.start() + 1
        return tuple(
            token
            for piece in [*pieces, text[start:]]
            for token in self.tokenizer.encode(
                piece, add_special_tokens=False, split_special_tokens=True
            )
        )

    def _decode(self, tokens: tuple[int, ...]) -> str:
        """The text of these tokens."""
        return str(self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def _frame(self, template: str, placeholder: str, text: str) -> tuple[int, ...]:
        text = text.strip() if self._trims else text
        tokens: list[int] = []
        for piece in self._control.split(template):
            if piece in self.control_tokens:
                tokens.append(self.control_tokens[piece])
            elif piece:
                tokens.extend(self.encode_text(piece.replace(placeholder, text)))
        return tuple(tokens)

    def _opening_tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of the first user turn, up to where the first reply begins."""
        return self._frame(self._opening, FIRST, text)

    def _following_tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of a later user turn, from after the last reply's end token to where the next reply begins."""
        return self._frame(self._following, SECOND, text)


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, texts), key=len, reverse=True)
    return re.compile(f"({'|'.join(longest_first)})")
