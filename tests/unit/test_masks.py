"""Token masks: what they let through parses, what is valid gets through, and nothing else does."""

from collections.abc import Iterator
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
FINITE = [
    *(
        grammar
        for name in game_names()
        for grammar in build_game(name, 1).grammars()
        if not any(isinstance(part, Text) for part in grammar.parts)
    ),
    Grammar((Literal("["), Choice("a", ("x", "xx", "rock")), Choice("b", ("1", "2")))),
]
FREE = [MESSAGE, SHORTEST, MIXED]


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
        token = random.choice(allowed(masks, state))
        tokens.append(token)
        states.append(state)
        state = masks.step(state, token)
    return tokens, states


def spellings(grammar: Grammar) -> set[str]:
    """Every valid reply of a finite grammar."""
    replies = {""}
    for part in grammar.parts:
        match part:
            case Literal(text):
                options: tuple[str, ...] = (text,)
            case Choice():
                options = part.spellings()
            case _:
                raise AssertionError("free text is not finite")
        replies = {reply + option for reply in replies for option in options}
    return replies


@pytest.mark.parametrize("grammar", FINITE, ids=str)
def test_all_ways_through_are_all_valid_replies(any_chat: ChatFormat, grammar: Grammar) -> None:
    masks = compiled(any_chat, *FINITE)
    found = list(paths(masks, masks.start(grammar)))
    assert all(path[-1] == any_chat.end_token for path in found)
    texts = [any_chat.decode(path[:-1]) for path in found]
    assert len(set(texts)) == len(texts)
    assert {*texts} == spellings(grammar)
    assert all(grammar.parse(text) is not None for text in texts)


@pytest.mark.parametrize("grammar", FINITE, ids=str)
def test_every_valid_reply_gets_through(any_chat: ChatFormat, grammar: Grammar) -> None:
    masks = compiled(any_chat, *FINITE)
    found = {*paths(masks, masks.start(grammar))}
    for reply in spellings(grammar):
        assert tuple(masks.encode(grammar, reply)) in found


@pytest.mark.parametrize("name", game_names())
def test_a_way_can_be_looked_up_all_at_once(tiny_masks: TokenMasks, name: str) -> None:
    for grammar in build_game(name, 1).grammars():
        for seed in range(3):
            tokens, states = walk(tiny_masks, grammar, Random(seed))
            assert all(tiny_masks.allowed[states, tokens])
            rows = tiny_masks.allowed[torch.tensor(states)]
            assert rows.shape == (len(states), tiny_masks.allowed.shape[1])
            assert torch.equal(rows, torch.stack([tiny_masks.allowed[state] for state in states]))


@pytest.mark.parametrize("grammar", FREE, ids=["message", "one character", "mixed"])
def test_what_is_not_allowed_leads_nowhere(any_chat: ChatFormat, grammar: Grammar) -> None:
    masks = compiled(any_chat, *FREE)
    for seed in range(3):
        for state in walk(masks, grammar, Random(seed))[1]:
            for token in (~masks.allowed[state]).nonzero()[:, 0].tolist():
                with pytest.raises(KeyError):
                    masks.step(state, token)


@pytest.fixture(scope="module")
def tiny_masks(chat: ChatFormat) -> TokenMasks:
    grammars = [grammar for name in game_names() for grammar in build_game(name, 1).grammars()]
    return compiled(chat, *grammars)


@pytest.mark.parametrize("grammar", FREE, ids=["message", "one character", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_random_walks_are_valid_replies(any_chat: ChatFormat, grammar: Grammar, seed: int) -> None:
    masks = compiled(any_chat, *FREE)
    tokens, _ = walk(masks, grammar, Random(seed))
    reply = any_chat.decode(tuple(tokens[:-1]))
    values = grammar.parse(reply)
    assert values is not None, reply
    limits = {part.name: part.limit for part in grammar.parts if isinstance(part, Text)}
    assert all(1 <= len(values[name]) <= limit for name, limit in limits.items())
    assert not any("<" in values[name] for name in limits)
    assert not {*any_chat.control_tokens.values()} & {*tokens[:-1]}
    assert tokens[-1] == any_chat.end_token


def test_no_control_token_can_be_said(any_chat: ChatFormat) -> None:
    """But for the one that ends a reply, and that only at its end."""
    masks = compiled(any_chat, *FREE, *FINITE)
    control = {*any_chat.control_tokens.values()} - {any_chat.end_token}
    table = masks.allowed[:]  # (states, vocabulary)
    assert not table[:, sorted(control)].any()
    ending = table[:, any_chat.end_token]
    assert ending.any()
    assert {masks.step(state, any_chat.end_token) for state in ending.nonzero()[:, 0].tolist()} == {
        DONE
    }
    assert all(table[ending].sum(1) == 1)


def test_the_limit_of_characters_is_reached(chat: ChatFormat) -> None:
    masks = compiled(chat, MESSAGE)
    values = [
        MESSAGE.parse(chat.decode(tuple(walk(masks, MESSAGE, Random(seed))[0][:-1])))
        for seed in range(300)
    ]
    assert {len(value["message"]) for value in values if value} >= {11, 12}


def test_a_message_of_the_games_gets_through(chat: ChatFormat, tiny_masks: TokenMasks) -> None:
    message, _ = build_game("trust_and_split", 1).grammars()
    for said in ("I have rock", "hello", " ", "x" * 500, "Bist du sicher?", "a\nb"):
        tokens = tiny_masks.encode(message, message.write({"message": said}))
        state = tiny_masks.start(message)
        for token in tokens:
            assert tiny_masks.allowed[state, token]
            state = tiny_masks.step(state, token)
        assert state == DONE
        assert chat.decode(tuple(tokens[:-1])) == f"<message>{said}</message>"


@pytest.mark.parametrize(
    "reply", ["", "<11 coins>", "<message></message>", "<message>x</message>."]
)
def test_invalid_replies_have_no_tokens(tiny_masks: TokenMasks, reply: str) -> None:
    for grammar in build_game("trust_and_split", 1).grammars():
        with pytest.raises(ValueError, match="not a valid reply"):
            tiny_masks.encode(grammar, reply)


def test_forced_states_have_one_token_and_others_several(tiny_masks: TokenMasks) -> None:
    counts = tiny_masks.allowed[:].sum(1)
    for state, token in enumerate(tiny_masks.forced):
        if token is None:
            assert counts[state] != 1
        else:
            assert counts[state] == 1
            assert tiny_masks.allowed[state, token]


def test_nothing_is_forced_but_what_must_be(tiny_masks: TokenMasks, chat: ChatFormat) -> None:
    (action,) = build_game("prisoners_dilemma", 1).grammars()
    assert tiny_masks.forced[tiny_masks.start(action)] is None
    message, _ = build_game("trust_and_split", 1).grammars()
    (opening,) = chat.encode_text("<message>")
    assert tiny_masks.forced[tiny_masks.start(message)] == opening


@pytest.mark.parametrize("grammar", FREE, ids=["message", "one character", "mixed"])
@pytest.mark.parametrize("taken", range(8))
def test_text_can_be_closed_anywhere_once_it_holds_something(
    any_chat: ChatFormat, grammar: Grammar, taken: int
) -> None:
    masks = compiled(any_chat, *FREE)
    random = Random(taken)
    state, tokens = masks.start(grammar), []
    for step in range(40):
        if step >= taken:
            state = masks.closing(state)
        if state == DONE:
            break
        tokens.append(random.choice(allowed(masks, state)))
        state = masks.step(state, tokens[-1])
    assert state == DONE
    assert grammar.parse(any_chat.decode(tuple(tokens[:-1]))) is not None
    assert len(tokens) <= taken + 25  # the closing tag, letter by letter, and one character


def test_closing_changes_nothing_elsewhere(tiny_masks: TokenMasks) -> None:
    for name in ("prisoners_dilemma", "split"):
        (grammar,) = build_game(name, 1).grammars()
        _, states = walk(tiny_masks, grammar, Random(0))
        assert [tiny_masks.closing(state) for state in states] == states


def test_tokens_beyond_the_tokenizer_are_never_allowed(chat: ChatFormat) -> None:
    size = len(chat.tokenizer)
    masks = TokenMasks(FREE, chat, size + 64)  # as where a model's embedding is padded
    assert masks.allowed.shape == (len(masks.forced), size + 64)
    table = masks.allowed[:]
    assert not table[:, size:].any()
    assert torch.equal(table[:, :size], compiled(chat, *FREE).allowed[:])


def test_equal_rows_are_kept_once(any_chat: ChatFormat) -> None:
    message = Grammar((Literal("<message>"), Text("message", 2000), Literal("</message>")))
    masks = compiled(any_chat, message)
    states, _ = masks.allowed.shape
    assert states > 2000
    assert len(masks.allowed[:].unique(dim=0)) == masks.allowed.rows < 500


def test_no_state_is_left_over(any_chat: ChatFormat) -> None:
    masks = compiled(any_chat, MESSAGE, MIXED)
    reached, ahead = set(), [masks.start(MESSAGE), masks.start(MIXED)]
    while ahead:
        state = ahead.pop()
        if state not in reached and state != DONE:
            reached.add(state)
            ahead += [masks.step(state, token) for token in allowed(masks, state)]
    assert reached == {*range(masks.allowed.shape[0])}
