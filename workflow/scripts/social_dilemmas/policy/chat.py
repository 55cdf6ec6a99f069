"""A conversation that grows turn by turn, as token ids: exactly what the model's chat template makes of the whole.

The template is asked once how turns are framed; from then on every turn only appends tokens. What players say is
encoded as text: a control token spelled out in a message stays text.
"""

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from social_dilemmas.errors import UserError
from social_dilemmas.policy.template import (
    FIRST,
    REPLY,
    SECOND,
    SYSTEM,
    dialogue,
    render,
    system_turn,
    trims,
    why_unfit,
)

# Tokens that mark structure, though some families don't declare all of them special.
STRUCTURE = re.compile(
    r"<[|｜][^<>]+[|｜]>|\[/?[A-Z_]+\]|</?(?:think|tool_call|tool_response)>|<(?:start|end)_of_\w+>"
)
BRACKET = re.compile(r"[<>\[\]{}|｜]")
REMEMBERED = 2**16  # texts of each kind whose tokens are remembered


class ChatFormat:
    """How a tokenizer's chat template frames user turns and replies.

    Attributes:
        control_tokens: ids of all control tokens, by how they are written.
        end_token: id of the control token that ends a reply, of which it is part.
        encode_text, decode: from text to token ids, and back.
        opening: from the first user turn's text to the tokens up to where the first reply begins, a system turn
            included.
        following: from a later user turn's text to the tokens between one reply's end token and the next reply.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, system: str = "") -> None:
        """A format with the text of a system turn, if any.

        Raises UserError if the tokenizer has no chat template, or one that turns can't be appended to, or that knows no
        system turn.
        """
        self.tokenizer = tokenizer
        name = tokenizer.name_or_path
        if not tokenizer.chat_template:
            raise UserError(f"the tokenizer at {name} has no chat template")
        if reason := why_unfit(tokenizer):
            raise UserError(f"the chat template of {name} {reason}")
        added = tokenizer.added_tokens_decoder.items()
        special = {entry.content: token for token, entry in added if entry.special}
        special |= dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        told = system_turn(tokenizer, SYSTEM) if system else []
        opening = render(tokenizer, [*told, *dialogue(FIRST)])
        whole = render(tokenizer, [*told, *dialogue(FIRST, REPLY, SECOND)])
        marks = {e.content: token for token, e in added if _is_mark(e.content, whole)}
        self.control_tokens: dict[str, int] = {**special, **marks}
        self._control = _any_of(self.control_tokens)
        # Tokenizers can be asked to leave alone in a text what they call special, but not the other marks.
        self._marks = re.compile(f"(?={_any_of(marks.keys() - special.keys()).pattern})")
        self._control_ids = frozenset(self.control_tokens.values())
        self._trims = trims(tokenizer)
        rest = whole.removeprefix(opening + REPLY)
        end = self._control.match(rest)
        if not end:
            raise UserError(
                f"the chat template of {name} doesn't end a reply with a control token: choose another model"
            )
        self.end_token = self.control_tokens[end[0]]
        remember = lru_cache(maxsize=REMEMBERED)  # prompts and replies recur all the time
        self.encode_text = remember(self._encode_text)
        self.decode = remember(self._decode)
        self.opening = remember(partial(self._frame, opening.replace(SYSTEM, system), FIRST))
        self.following = remember(partial(self._frame, rest[end.end() :], SECOND))
        self._check([{**turn, "content": system} for turn in told])

    def with_system(self, system: str) -> "ChatFormat":
        """The same format with another system turn; raises as its constructor."""
        return ChatFormat(self.tokenizer, system) if system else self

    def _check(self, told: list[dict[str, str]]) -> None:
        """Refuse a tokenizer whose tokens of a conversation in pieces aren't those of the whole."""
        whole = self.tokenizer.apply_chat_template(
            [*told, *dialogue(FIRST, REPLY, SECOND)],
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

    def _encode_text(self, text: str) -> tuple[int, ...]:
        cuts = [found.start() + 1 for found in self._marks.finditer(text)]  # a mark in two is none
        tokens: list[int] = []
        for start, end in pairwise([0, *cuts, len(text)]):
            tokens += self.tokenizer.encode(
                text[start:end], add_special_tokens=False, split_special_tokens=True
            )
        if len(text) > 1 and not self._control_ids.isdisjoint(tokens):  # as after normalisation
            return tuple(token for character in text for token in self._encode_text(character))
        return tuple(tokens)

    def _decode(self, tokens: tuple[int, ...]) -> str:
        return str(self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def _frame(self, frame: str, placeholder: str, text: str) -> tuple[int, ...]:
        """The tokens of a rendered frame, with a text in the place of the placeholder."""
        text = text.strip() if self._trims else text
        tokens: list[int] = []
        for piece in self._control.split(frame):
            if piece in self.control_tokens:
                tokens.append(self.control_tokens[piece])
            elif piece:
                tokens += self.encode_text(piece.replace(placeholder, text))
        return tuple(tokens)


def _is_mark(token: str, conversation: str) -> bool:
    """Whether an added token marks structure: by its spelling, or as one that the chat template writes."""
    written = token in conversation and BRACKET.search(token) is not None
    return written or STRUCTURE.fullmatch(token) is not None


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of these texts; without any, one that never matches."""
    longest_first = sorted(map(re.escape, texts), key=len, reverse=True)
    return re.compile(f"({'|'.join(longest_first) or '(?!)'})")
