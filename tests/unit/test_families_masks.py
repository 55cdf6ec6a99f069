"""Token masks with the vocabularies of the published families: bytes, digits, spaces, parts of words."""

from random import Random
from typing import TYPE_CHECKING

import pytest

from social_dilemmas.games import build_game
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks

if TYPE_CHECKING:
    from tests.unit.conftest import FamilyOf

LIMIT = 30
MESSAGE = Grammar((Literal("<message>"), Text("message", LIMIT), Literal("</message>")))
NUMBERS = Grammar((Choice("coins", tuple(map(str, range(1001))), "<", " coins>"),))


@pytest.fixture(scope="module", params=["qwen2", "llama", "gemma3"])
def chat(request: pytest.FixtureRequest, family_of: "FamilyOf") -> ChatFormat:
    return ChatFormat(family_of(request.param).tokenizer)


@pytest.fixture(scope="module")
def masks(chat: ChatFormat) -> TokenMasks:
    games = ("prisoners_dilemma", "split", "trust_and_split")
    grammars = [grammar for name in games for grammar in build_game(name, 1).grammars()]
    return TokenMasks([MESSAGE, NUMBERS, *grammars], chat, len(chat.tokenizer) + 7)


def allowed(masks: TokenMasks, state: int) -> list[int]:
    return [*masks.allowed[state].nonzero()[:, 0].tolist()]


def after(masks: TokenMasks, grammar: Grammar, tokens: tuple[int, ...]) -> int:
    """The state after these tokens, all of which must be allowed."""
    state = masks.start(grammar)
    for token in tokens:
        assert masks.allowed[state, token]
        state = masks.step(state, token)
    return state


@pytest.mark.parametrize("seed", range(30))
def test_random_replies_are_valid_and_of_the_counted_length(
    chat: ChatFormat, masks: TokenMasks, seed: int
) -> None:
    random, state, tokens = Random(seed), masks.start(MESSAGE), list[int]()
    while state != DONE:
        tokens.append(random.choice(allowed(masks, state)))
        state = masks.step(state, tokens[-1])
    reply = chat.decode(tuple(tokens[:-1]))
    values = MESSAGE.parse(reply)
    assert values is not None
    pieces = [chat.decode((token,)) for token in tokens[:-1]]
    assert "".join(pieces) == reply
    assert sum(map(len, pieces)) == len("<message></message>") + len(values["message"])


def test_parts_of_characters_are_not_admitted(chat: ChatFormat, masks: TokenMasks) -> None:
    """A token for a byte of a longer character would leave text behind that is none."""
    inside = after(masks, MESSAGE, (*chat.encode_text("<message>"), *chat.encode_text("x")))
    admitted = allowed(masks, inside)
    assert not any("\ufffd" in chat.decode((token,)) for token in admitted)
    parts = [t for t in chat.encode_text("𝄞") if "\ufffd" in chat.decode((t,))]
    assert parts
    assert not {*parts} & {*admitted}


@pytest.mark.parametrize(
    "said", ["I have rock", " leading", "two\n\nlines", "1250 of 10", "don't , be : greedy !", "  "]
)
def test_ordinary_messages_get_through_as_the_family_writes_them(
    chat: ChatFormat, masks: TokenMasks, said: str
) -> None:
    tokens = (*chat.encode_text("<message>"), *chat.encode_text(said))
    state = after(masks, MESSAGE, tokens)
    for token in (*chat.encode_text("</message>"), chat.end_token):
        assert masks.allowed[state, token]
        state = masks.step(state, token)
    assert state == DONE


def test_a_token_of_several_characters_counts_in_full(chat: ChatFormat, masks: TokenMasks) -> None:
    state = after(masks, MESSAGE, tuple(chat.encode_text("<message>")))
    longest = max(allowed(masks, state), key=lambda token: len(chat.decode((token,))))
    length = len(chat.decode((longest,)))
    assert length > 2
    for taken in range(LIMIT // length):
        assert masks.allowed[state, longest]
        state = masks.step(state, longest)
        assert (length * (taken + 2) <= LIMIT) == bool(masks.allowed[state, longest])


def test_every_number_has_exactly_one_way(chat: ChatFormat, masks: TokenMasks) -> None:
    """Whether digits are tokens of their own, as in Qwen and Gemma, or come in threes, as in Llama."""
    found: list[str] = []
    ahead: list[tuple[int, tuple[int, ...]]] = [(masks.start(NUMBERS), ())]
    while ahead:
        state, tokens = ahead.pop()
        if state == DONE:
            found.append(chat.decode(tokens[:-1]))
        else:
            ahead += [(masks.step(state, t), (*tokens, t)) for t in allowed(masks, state)]
    assert sorted(found) == sorted(f"<{number} coins>" for number in range(1001))


def test_digits_are_the_familys(chat: ChatFormat, masks: TokenMasks) -> None:
    tokens = masks.encode(NUMBERS, "<125 coins>")
    assert chat.decode(tuple(tokens[:-1])) == "<125 coins>"
    assert tuple(tokens[:-1]) == chat.encode_text("<125 coins>")
