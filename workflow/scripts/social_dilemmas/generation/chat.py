"""A conversation that grows turn by turn, as token ids, exactly as the model's chat template writes the whole.

The template is asked once how turns are framed; from then on every turn only appends tokens. Text from players
is encoded as text: a control token spelled out inside a message stays text.
"""

import re
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from social_dilemmas.errors import UserError

_FIRST, _REPLY, _SECOND = "first-user-text", "assistant-text", "second-user-text"


class ChatFormat:
    """How user turns and replies are framed by a tokenizer's chat template.

    Attributes:
        control_tokens: ids of all control tokens by how they are written, those without a role of their own included.
        end_token: id of the control token that ends a reply; it belongs to the reply.

    Raises:
        UserError: the tokenizer has no chat template, or its template rewrites earlier turns.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.chat_template:
            raise UserError(f"the tokenizer at {tokenizer.name_or_path} has no chat template")
        self.tokenizer = tokenizer
        self.control_tokens: dict[str, int] = {
            entry.content: token
            for token, entry in tokenizer.added_tokens_decoder.items()
            if entry.special
        } | dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        control = sorted(map(re.escape, self.control_tokens), key=len, reverse=True)
        self._control = re.compile(f"({'|'.join(control)})")
        opening = self._render([_FIRST])
        whole = self._render([_FIRST, _REPLY, _SECOND])
        if not whole.startswith(opening + _REPLY):
            raise UserError(
                f"the chat template of {tokenizer.name_or_path} changes earlier turns when a conversation grows"
            )
        self._opening = opening
        between = whole.removeprefix(opening + _REPLY)
        end, self._following = self._split_end(between)
        self.end_token = self.control_tokens[end]
        remember = lru_cache(maxsize=1 << 16)  # prompts and replies recur all the time
        self.encode_text = remember(self._encode_text)
        self.opening = remember(self._opening_tokens)
        self.following = remember(self._following_tokens)
        self.decode = remember(self._decode)

    def _render(self, texts: list[str]) -> str:
        roles = ("user", "assistant")
        messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]
        rendered = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        assert isinstance(rendered, str)
        return rendered

    def _split_end(self, between: str) -> tuple[str, str]:
        found = self._control.match(between)
        if not found:
            raise UserError(
                f"the chat template of {self.tokenizer.name_or_path} doesn't end a reply with a control token"
            )
        return found[0], between[found.end() :]

    def _encode_text(self, text: str) -> tuple[int, ...]:
        """Token ids of plain text; control tokens spelled out in it are encoded as text."""
        return tuple(
            self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )

    def _decode(self, tokens: tuple[int, ...]) -> str:
        """The text of these tokens."""
        return str(self.tokenizer.decode(tokens))

    def _frame(self, template: str, placeholder: str, text: str) -> tuple[int, ...]:
        tokens: list[int] = []
        for piece in self._control.split(template):
            if piece in self.control_tokens:
                tokens.append(self.control_tokens[piece])
            elif piece:
                tokens.extend(self.encode_text(piece.replace(placeholder, text)))
        return tuple(tokens)

    def _opening_tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of the first user turn, up to where the first reply begins."""
        return self._frame(self._opening, _FIRST, text)

    def _following_tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of a later user turn, from after the last reply's end token to where the next reply begins."""
        return self._frame(self._following, _SECOND, text)
