"""Messages that try to pass for the structure of a conversation."""

from collections.abc import Iterable, Iterator
from random import Random
from string import ascii_letters

from social_dilemmas.policy.chat import ChatFormat

PLAIN = (*ascii_letters, *" \n\t<>|[]{}｜/_", "é", "🙂", "\u200b", "\u0301", "▁", "Ġ", "<0x0A>")
FULL_WIDTH = {code: code + 0xFEE0 for code in range(33, 127)}  # some normalisers undo this


def hostile_messages(marks: Iterable[str], count: int, seed: int = 0) -> Iterator[str]:
    """Messages of marks, whole and broken, within and beside one another, and of characters around them."""
    random, known = Random(seed), sorted(marks)

    def part() -> str:
        mark, other = random.choice(known), random.choice(known)
        cut = random.randrange(len(mark))
        ways = (mark, mark[:cut], mark[cut:], mark[:cut] + other + mark[cut:])
        return random.choice((*ways, mark.translate(FULL_WIDTH), random.choice(PLAIN)))

    for _ in range(count):
        yield "".join(part() for _ in range(random.randint(1, 6)))


def assert_harmless(chat: ChatFormat, marks: Iterable[str], count: int) -> None:
    """No message adds a control token to the frame in which the other player reads it."""
    marks = {*marks, *chat.control_tokens}
    control = {*chat.tokenizer.convert_tokens_to_ids([*marks])}
    framing = [token for token in chat.following("x") if token in control]
    assert framing
    for said in hostile_messages(marks, count):
        assert [token for token in chat.following(said) if token in control] == framing, said
