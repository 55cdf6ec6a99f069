"""A person at a terminal, in any game: told what the prompts say, asked for one thing at a time."""

from collections.abc import Callable, Sequence

from social_dilemmas.agents.human.form import number_range, options_in_words
from social_dilemmas.agents.human.scoreboard import (
    Choices,
    choices_so_far,
    closing_words,
    heading,
    paragraphs,
)
from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Part, Text

QUIT = ("q", "quit")


class LeftError(Exception):
    """The person has left the game."""


class HumanPlayer:
    """One seat of one match, played by whoever sits at the terminal.

    What is typed is plain: `7` instead of `<7 coins>`. It is shown only what this seat may know: the
    prompts, both players' choices of the rounds that are over, and its own points.
    """

    def __init__(
        self,
        other: "Remembered",
        *,
        ask: Callable[[str], str] = input,
        show: Callable[[str], None] = print,
        width: int = 80,
    ) -> None:
        """A person who plays one match.

        Args:
            other: the opponent.
            ask: shows a question and gives back a line; EOFError when there are no more.
            show: shows a text.
            width: of the terminal, in characters.
        """
        self._other = other
        self._ask = ask
        self._show = show
        self._width = width
        self._choices: Choices = []
        self._round = -1  # the round that was last announced

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """What the person chooses in these turns.

        Raises:
            LeftError: the person wants to leave, or the input has ended.
        """
        return [self._reply(turn) for turn in turns]

    def _reply(self, turn: Turn) -> str:
        played = len(turn.match.history)
        if played > self._round:
            self._round = played
            if played:
                self._show_points(turn.match, turn.seat)
            self._show(f"\n{heading(f'Round {played + 1}', self._width)}\n")
        else:
            self._show("")
        self._show(f"{paragraphs(turn.prompt, self._width)}\n")
        reply = self._compose(turn.grammar)
        values = turn.grammar.parse(reply)
        assert values is not None, reply
        self._choices.append((played, turn.grammar, values))
        return reply

    def _compose(self, grammar: Grammar) -> str:
        """A valid reply, made of the answers to one question for each part."""
        values: dict[str, str] = {}
        for part, following in zip(grammar.parts, (*grammar.parts[1:], None), strict=True):
            while not isinstance(part, Literal) and part.name not in values:
                line = self._line(question(part))
                if not values and grammar.parse(line):
                    return line  # somebody typed the whole form
                value = understood(part, line)
                if value is None and line.casefold() in QUIT:
                    raise LeftError
                problem = mistake(part, following, value, line)
                if problem:
                    self._show(f"  {problem}")
                elif value is not None:
                    values[part.name] = value
        return grammar.write(values)

    def _line(self, asked: str) -> str:
        try:
            return self._ask(f"  {asked}: ").strip()
        except EOFError:
            raise LeftError from None

    def _show_points(self, match: Match, seat: int) -> None:
        rounds = choices_so_far(
            self._choices, self._other.choices, match.rewards(seat), self._width
        )
        self._show(f"\n{rounds}")


class Remembered:
    """Another player in one match; what it chose can be looked up."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.choices: Choices = []

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        replies = self._player.reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            values = turn.grammar.parse(reply) or turn.match.forfeit(turn)
            self.choices.append((len(turn.match.history), turn.grammar, values))
        return replies


def question(part: Choice | Text) -> str:
    """What is asked for a part: `coins (0 to 10)`."""
    name = part.name.replace("_", " ")
    if isinstance(part, Text):
        return f"{name} (up to {part.limit} characters)"
    limits = number_range(part)
    return f"{name} ({f'{limits[0]} to {limits[1]}' if limits else options_in_words(part)})"


def understood(part: Choice | Text, line: str) -> str | None:
    """The value that a line means, or None if it means none; a text may be `q`, but not only that."""
    if isinstance(part, Text):
        return None if line.casefold() in QUIT else line
    meant = line.removeprefix(part.before.strip()).strip()
    meant = meant.removesuffix(part.after.strip()).removesuffix(part.after.strip(" >")).strip()
    if meant in part.options:
        return meant
    close = [option for option in part.options if option.casefold() == meant.casefold()]
    return close[0] if len(close) == 1 else None


def mistake(
    part: Choice | Text, following: Part | None, value: str | None, line: str
) -> str | None:
    """What is wrong with an answer; None if it will do."""
    if not line:
        return f"Please type {'some text' if isinstance(part, Text) else options_in_words(part)}."
    if value is None:
        return f"{line!r} is not possible here: please type {options_in_words(part)}."  # type: ignore[arg-type]
    if isinstance(part, Text):
        if len(value) > part.limit:
            return f"That has {len(value)} characters, but at most {part.limit} are possible."
        if isinstance(following, Literal) and following.text in value:
            return f"A {part.name} can't hold {following.text}."
    return None


def play_in_terminal(
    match: Match,
    seat: int,
    opponent: Player,
    *,
    opponent_name: str,
    ask: Callable[[str], str] = input,
    show: Callable[[str], None] = print,
    width: int = 80,
) -> None:
    """Play one match between a person and an opponent, from the first word to the last.

    Leaving it (by `q`, the end of the input, or Ctrl-C) shows the score so far.

    Args:
        match: a new match.
        seat: where the person sits.
        opponent: who sits in the other seat.
        opponent_name: what the opponent is called.
        ask, show, width: as for `HumanPlayer`.
    """
    other = Remembered(opponent)
    person = HumanPlayer(other, ask=ask, show=show, width=width)
    show(f"\n{heading(match.game.title, width)}\n")
    show(paragraphs(f"You play against {opponent_name}. {HOW_TO}", width))
    try:
        play([match], [(person, other) if seat == 0 else (other, person)])
    except (LeftError, KeyboardInterrupt):
        show(f"\n\nYou left in round {len(match.history) + 1}.")
    show(f"\n{closing_words(match, seat, width)}")


HOW_TO = (
    "Your opponent is told the same rules, in the same words. Where they ask for a reply in a form "
    "with < and >, just type the number, letter or text itself: the signs are added for you. "
    "Type q to leave."
)
