"""A person at a terminal, in any game: reads the prompts, and is asked for one thing at a time."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import rich
from rich.console import RenderableType

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.agents.form import options_in_words
from social_dilemmas.agents.human import scoreboard
from social_dilemmas.agents.human.scoreboard import heading, prose
from social_dilemmas.agents.play import Player, Players, Sampler, play_batch
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Choice, Literal, Part, Text

QUIT = ("q", "quit")
HOW_TO = (
    "Your opponent gets the same rules, in the same words. Where they ask for a reply in a form with "
    "< and >, just type the number, letter or text itself: the signs are added for you. "
    "Type q to leave."
)
Ask = Callable[[str], str]  # shows a question and returns a line; EOFError if there are no more
Show = Callable[[RenderableType], None]


class LeftError(Exception):
    """The person has left the game."""


class HumanPlayer:
    """One seat of one match, played by whoever sits at the terminal.

    People type plainly: `7` instead of `<7 coins>`. They see only what their seat may know: the prompts,
    the choices of both players in finished rounds, and their own points.
    """

    def __init__(self, *, ask: Ask = input, show: Show = rich.print) -> None:
        self._ask = ask
        self._show = show
        self._replies: scoreboard.Replies = defaultdict(list)

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """What the person chooses in these turns; LeftError if they leave, or the input has ended."""
        return [self._reply(turn) for turn in turns]

    def remember(self, turn: Turn, reply: str) -> None:
        """Take note of a reply of either player; to be the `on_reply` of `play`."""
        values = turn.grammar.parse(reply) or turn.match.forfeit(turn)
        self._replies[turn.round, turn.seat].append((turn.grammar, values))

    def _reply(self, turn: Turn) -> str:
        finished = turn.round
        if not self._replies[finished, turn.seat]:  # the round begins
            if finished:
                self._show(scoreboard.rounds_so_far(self._replies, turn.match, turn.seat))
            self._show(heading(f"Round {finished + 1}"))
        self._show(prose(turn.prompt))
        values: dict[str, str] = {}
        parts = turn.grammar.parts
        for part, following in zip(parts, (*parts[1:], None), strict=True):
            while not isinstance(part, Literal) and part.name not in values:
                try:
                    line = self._ask(f"  {question(part)}: ").strip()
                    if not values and turn.grammar.parse(line):
                        return line  # somebody typed the whole form
                    values[part.name] = understood(part, following, line)
                except EOFError:
                    raise LeftError from None
                except ValueError as error:
                    self._show(prose(str(error)))
        return turn.grammar.write(values)


def question(part: Choice | Text) -> str:
    """The question for a part: `coins (0 to 10)`."""
    if isinstance(part, Text):
        possible = f"up to {part.limit} characters"
    else:
        possible = options_in_words(part).removeprefix("a whole number from ")
    return f"{part.name.replace('_', ' ')} ({possible})"


def understood(part: Choice | Text, following: Part | None, line: str) -> str:
    """The value of a part that a line stands for.

    Raises:
        ValueError: it stands for none; the message says what is possible.
        LeftError: it says that the person wants to leave, and can mean nothing else.
    """
    wanted = "some text" if isinstance(part, Text) else options_in_words(part)
    if not line:
        raise ValueError(f"Please type {wanted}.")
    if isinstance(part, Choice):
        bare = line.strip("<> ")
        if bare in part.options:  # two options may differ in nothing but case
            return bare
        for option, spelling in zip(part.options, part.spellings(), strict=True):
            if bare.casefold() in (option.casefold(), spelling.strip("<> ").casefold()):
                return option
    if line.casefold() in QUIT:
        raise LeftError
    if isinstance(part, Choice):
        raise ValueError(f"{line!r} is not possible here: please type {wanted}.")
    if len(line) > part.limit:
        raise ValueError(f"That has {len(line)} characters; at most {part.limit} are possible.")
    if isinstance(following, Literal) and following.text in line:
        raise ValueError(f"A {part.name} can't hold {following.text}.")
    return line


def play_in_terminal(
    match: Match,
    seat: int,
    opponent: Agent,
    sampler: Sampler[Player] | None = None,
    *,
    ask: Ask = input,
    show: Show = rich.print,
) -> None:
    """Play a new match between a person in this seat and an opponent, from the first word to the last.

    Leaving it (with `q`, the end of the input, or Ctrl-C) shows the score so far. The sampler plays for an opponent
    that is a language model; `ask` and `show` are the terminal.
    """
    person, player = Agent("you", Kind.HUMAN), HumanPlayer(ask=ask, show=show)
    show(heading(match.game.title))
    show(prose(f"You play against {opponent.name}. {HOW_TO}"))
    if match.game.system:
        show(prose(f"Before the rules, your opponent was told: {match.game.system}"))
    seats = (person, opponent) if seat == 0 else (opponent, person)
    players = Players(match.game, {person: player})
    try:
        play_batch([match], [seats], players, sampler, player.remember)
    except (LeftError, KeyboardInterrupt):
        show(prose(f"You left in round {len(match.history) + 1}."))
    show(scoreboard.final_score(match, seat))
