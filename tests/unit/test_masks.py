"""Token masks: what they let through parses, what is valid gets through, and nothing else does."""

from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
import torch

from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks

MESSAGE = Grammar((Literal("<message>"), Text("message", 12), Literal("</message>")))
SHORTEST = Grammar((Literal("<message>"), Text("message", 1), Literal("</message>")))
MIXED = Grammar((Text("why", 3), Literal("</why>"), Choice("coins", ("1", "10", "100"), "<", ">")))
FREE = (MESSAGE, SHORTEST, MIXED)
GAMES = tuple(grammar for name in game_names() for grammar in build_game(name, 1).grammars())
NUMBERS = Grammar((Choice("coins", tuple(map(str, range(1001))), "<", " coins>"),))
PARTS = Grammar((Literal("["), Choice("a", ("x", "xx", "rock")), Choice("b", ("1", "2"))))
FINITE = (
    *(g for g in GAMES if not any(isinstance(part, Text) for part in g.parts)),
    *(NUMBERS, PARTS),
)


@cache
def compiled(chat: ChatFormat, *grammars: Grammar) -> TokenMasks:
    return TokenMasks(grammars, chat, len(chat.tokenizer))


def allowed(masks: TokenMasks, state: int) -> list[int]:
    return [*masks.allowed[state].nonzero()[:, 0].tolist()]


def paths(masks: TokenMasks, state: int) -> Iterator[tuple[int, ...]]:
    """Every way through a finite automaton."""
    if state == DONE:
        yield ()
        return
    for token in allowed(masks, state):
        for rest in paths(masks, masks.step(state, token)):
            yield token, *rest


def walk(masks: TokenMasks, grammar: Grammar, random: Random) -> tuple[list[int], list[int]]:
    """A random way through the automaton: tokens and the states in which they were taken."""
    tokens, states = [], []
    state = masks.start(grammar)
    while state != DONE:
        states.append(state)
        tokens.append(random.choice(allowed(masks, state)))
        state = masks.step(state, tokens[-1])
    return tokens, states


def after(masks: TokenMasks, grammar: Grammar, tokens: tuple[int, ...]) -> int:
    """The state after these tokens, all of which must be allowed."""
    state = masks.start(grammar)
    for token in tokens:
        assert masks.allowed[state, token]
        state = masks.step(state, token)
    return state


def spellings(grammar: Grammar) -> set[str]:
    """Every valid reply of a finite grammar."""
    replies = {""}
    for part in grammar.parts:
        assert not isinstance(part, Text)
        options = (part.text,) if isinstance(part, Literal) else part.spellings()
        replies = {reply + option for reply in replies for option in options}
    return replies


def test_every_valid_reply_has_exactly_one_way_through(any_chat: ChatFormat) -> None:
    """Also where digits are tokens of their own, as in Qwen and Gemma, or come in threes, as in Llama."""
    masks = compiled(any_chat, *FINITE)
    for grammar in FINITE:
        found = [*paths(masks, masks.start(grammar))]
        replies = {any_chat.decode(path[:-1]): path for path in found}
        assert len(replies) == len(found)
        assert replies.keys() == spellings(grammar)
        for reply, path in replies.items():
            assert grammar.parse(reply) is not None
            assert masks.encode(grammar, reply) == [*path]
    assert masks.encode(NUMBERS, "<125 coins>") == [
        *any_chat.encode_text("<125 coins>"),
        any_chat.end_token,
    ]


@pytest.mark.parametrize("grammar", FREE, ids=["message", "one character", "mixed"])
def test_random_walks_are_valid_replies(any_chat: ChatFormat, grammar: Grammar) -> None:
    masks = compiled(any_chat, *FREE)
    control = {*any_chat.control_tokens.values()}
    for seed in range(30):
        tokens, states = walk(masks, grammar, Random(seed))
        reply = any_chat.decode(tuple(tokens[:-1]))
        values = grammar.parse(reply)
        assert values is not None, reply
        for part in grammar.parts:
            if isinstance(part, Text):
                assert 1 <= len(values[part.name]) <= part.limit
                assert "<" not in values[part.name]
        assert reply == "".join(any_chat.decode((token,)) for token in tokens[:-1])
        assert not control & {*tokens[:-1]}
        assert tokens[-1] == any_chat.end_token
        # The whole way can be looked up at once.
        assert all(masks.allowed[states, tokens])
        rows = masks.allowed[torch.tensor(states)]
        assert torch.equal(rows, torch.stack([masks.allowed[state] for state in states]))


def test_what_is_not_allowed_leads_nowhere(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, *FREE)
    for grammar in FREE:
        for state in walk(masks, grammar, Random(0))[1]:
            for token in (~masks.allowed[state]).nonzero()[:, 0].tolist():
                with pytest.raises(KeyError):
                    masks.step(state, token)


def test_the_only_control_token_is_the_one_that_ends_a_reply(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, *FREE, *FINITE)
    control = {*any_chat.control_tokens.values()} - {any_chat.end_token}
    table = masks.allowed[:]  # (states, vocabulary)
    assert not table[:, sorted(control)].any()
    ending = table[:, any_chat.end_token]
    states = ending.nonzero()[:, 0].tolist()
    assert {masks.step(state, any_chat.end_token) for state in states} == {DONE}
    assert all(table[ending].sum(1) == 1)


def test_parts_of_characters_are_not_admitted(any_chat: ChatFormat) -> None:
    """A token for a byte of a longer character would leave text behind that is none."""
    masks = compiled(any_chat, *FREE)
    inside = after(masks, MESSAGE, any_chat.encode_text("<message>") + any_chat.encode_text("x"))
    admitted = allowed(masks, inside)
    assert not any("\ufffd" in any_chat.decode((token,)) for token in admitted)
    parts = {t for t in any_chat.encode_text("𝄞") if "\ufffd" in any_chat.decode((t,))}
    assert parts
    assert not parts & {*admitted}


def test_a_token_counts_by_its_characters(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, *FREE)
    state = after(masks, MESSAGE, any_chat.encode_text("<message>"))
    longest = max(allowed(masks, state), key=lambda token: len(any_chat.decode((token,))))
    length = len(any_chat.decode((longest,)))
    assert length > 2
    for taken in range(1, 1 + 12 // length):
        state = masks.step(state, longest)
        assert (length * (taken + 1) <= 12) == bool(masks.allowed[state, longest])


@pytest.mark.parametrize(
    "said",
    [
        *("I have rock", "hello", " ", "  ", " leading", "x" * 500, "Bist du sicher?", "a\nb"),
        *("two\n\nlines", "1250 of 10", "don't , be : greedy !"),
    ],
)
def test_ordinary_messages_get_through(any_chat: ChatFormat, said: str) -> None:
    masks = compiled(any_chat, *GAMES)
    message, _ = build_game("trust_and_split", 1).grammars()
    tokens = masks.encode(message, message.write({"message": said}))
    assert after(masks, message, tuple(tokens)) == DONE
    assert any_chat.decode(tuple(tokens[:-1])) == f"<message>{said}</message>"
    assert tuple(tokens[:-1]) == tuple(
        token for part in ("<message>", said, "</message>") for token in any_chat.encode_text(part)
    )


@pytest.mark.parametrize(
    "reply", ["", "<11 coins>", "<message></message>", "<message>x</message>."]
)
def test_invalid_replies_have_no_tokens(chat: ChatFormat, reply: str) -> None:
    for grammar in build_game("trust_and_split", 1).grammars():
        with pytest.raises(ValueError, match="not a valid reply"):
            compiled(chat, *GAMES).encode(grammar, reply)


def test_forced_is_what_has_no_alternative(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, *GAMES)
    options = [allowed(masks, state) for state in range(masks.allowed.shape[0])]
    assert masks.forced == [each[0] if len(each) == 1 else None for each in options]
    (action,) = build_game("prisoners_dilemma", 1).grammars()
    message, _ = build_game("trust_and_split", 1).grammars()
    assert masks.forced[masks.start(message)] == any_chat.encode_text("<message>")[0]
    assert None in [masks.forced[state] for state in walk(masks, action, Random(0))[1]]


@pytest.mark.parametrize("grammar", FREE, ids=["message", "one character", "mixed"])
@pytest.mark.parametrize("taken", range(8))
def test_text_can_be_closed_anywhere_once_it_holds_something(
    any_chat: ChatFormat, grammar: Grammar, taken: int
) -> None:
    masks, random = compiled(any_chat, *FREE), Random(taken)
    state, tokens = masks.start(grammar), list[int]()
    while state != DONE and len(tokens) < 40:
        if len(tokens) >= taken:
            state = masks.closing(state)
        tokens.append(random.choice(allowed(masks, state)))
        state = masks.step(state, tokens[-1])
    assert state == DONE
    assert grammar.parse(any_chat.decode(tuple(tokens[:-1]))) is not None
    assert len(tokens) <= taken + 25  # the closing tag, letter by letter, and one character


def test_closing_changes_nothing_outside_of_text(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, *FINITE)
    for grammar in FINITE:
        _, states = walk(masks, grammar, Random(0))
        assert [masks.closing(state) for state in states] == states


def test_tokens_beyond_the_tokenizer_are_never_allowed(any_chat: ChatFormat) -> None:
    size = len(any_chat.tokenizer)
    masks = TokenMasks(FREE, any_chat, size + 64)  # as where a model's embedding is padded
    assert masks.allowed.shape == (len(masks.forced), size + 64)
    assert not masks.allowed[:][:, size:].any()
    assert torch.equal(masks.allowed[:][:, :size], compiled(any_chat, *FREE).allowed[:])


def test_equal_rows_are_kept_once(any_chat: ChatFormat) -> None:
    message = Grammar((Literal("<message>"), Text("message", 2000), Literal("</message>")))
    allowed_tokens = compiled(any_chat, message).allowed
    assert allowed_tokens.shape[0] > 2000
    assert len(allowed_tokens[:].unique(dim=0)) == len(allowed_tokens.rows) < 500


def test_no_state_is_left_over(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, MESSAGE, MIXED)
    reached, ahead = set(), [masks.start(MESSAGE), masks.start(MIXED)]
    while ahead:
        state = ahead.pop()
        if state not in reached and state != DONE:
            reached.add(state)
            ahead += [masks.step(state, token) for token in allowed(masks, state)]
    assert reached == {*range(masks.allowed.shape[0])}
