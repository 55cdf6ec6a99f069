"""How replies are described to people and to models behind an API."""

import pytest

from social_dilemmas.agents.api.player import ask_again
from social_dilemmas.agents.form import form_in_words
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text

NUMBERS = tuple(map(str, range(11)))

COINS, HATS, BALLS = (
    Choice(kind, NUMBERS, "<", f" {kind}>") for kind in ("coins", "hats", "balls")
)

MESSAGE = (Literal("<message>"), Text("message", 50), Literal("</message>"))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([Choice("action", ("A", "B"))], "<A> or <B>"),
        ([Choice("move", ("left", "up", "right"))], "<left>, <up> or <right>"),
        ([COINS], "<n coins>, where n is a whole number from 0 to 10"),
        ([HATS, BALLS], "<n hats><n balls>, where n is a whole number from 0 to 10"),
        (MESSAGE, "<message>...</message>, where ... is a text of 1 to 50 characters"),
        ([Literal("go "), Choice("way", ("up", "down"))], "go <way>, where way is up or down"),
        ([Literal("yes")], "yes"),
    ],
)
def test_grammars_in_words(parts: list[Literal | Choice | Text], words: str) -> None:
    grammar = Grammar(tuple(parts))
    assert form_in_words(grammar) == words
    assert words in ask_again(grammar)
