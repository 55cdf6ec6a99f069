"""A grammar in words, for players that read how to reply."""

from social_dilemmas.games.game import listed
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text


def form_in_words(grammar: Grammar) -> str:
    """What a valid reply looks like: `<n coins>, where n is a whole number from 0 to 10`."""
    match grammar.parts:
        case (Choice() as only,) if number_range(only) is None:
            return listed(only.spellings())
    form, meanings = "", []
    for part in grammar.parts:
        match part:
            case Literal(text):
                form += text
            case Choice(name, _, before, after):
                sign = name if number_range(part) is None else "n"
                form += f"{before}{sign}{after}"
                meanings.append(f"{sign} is {options_in_words(part)}")
            case Text(_, limit):
                form += "..."
                meanings.append(f"... is a text of 1 to {limit} characters")
    return f"{form}, where {', '.join(dict.fromkeys(meanings))}" if meanings else form


def options_in_words(choice: Choice) -> str:
    """The options of a choice: `A or B`, `a whole number from 0 to 10`."""
    limits = number_range(choice)
    return f"a whole number from {limits[0]} to {limits[1]}" if limits else listed(choice.options)


def number_range(choice: Choice) -> tuple[int, int] | None:
    """The first and the last of options that are consecutive whole numbers, else None."""
    try:
        first, last = int(choice.options[0]), int(choice.options[-1])
    except ValueError:
        return None
    consecutive = choice.options == tuple(map(str, range(first, last + 1)))
    return (first, last) if consecutive and first < last else None


def printable(text: str) -> str:
    """A text without line breaks and control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
