"""What a valid reply looks like: a sequence of parts, used to prompt, to parse and to mask tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Literal:
    """Fixed text."""

    text: str


@dataclass(frozen=True)
class Choice:
    """One option out of a finite set, standing between `before` and `after`."""

    name: str
    options: tuple[str, ...]
    before: str = "<"
    after: str = ">"

    def spellings(self) -> tuple[str, ...]:
        """The options as they are written in a reply."""
        return tuple(f"{self.before}{option}{self.after}" for option in self.options)


@dataclass(frozen=True)
class Text:
    """Free text of 1 to `limit` characters, ended by the literal part that follows it."""

    name: str
    limit: int


Part = Literal | Choice | Text


@dataclass(frozen=True)
class Grammar:
    """A reply: its parts one after the other, and nothing else."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        for part, following in zip(self.parts, (*self.parts[1:], None), strict=True):
            if isinstance(part, Text) and not isinstance(following, Literal):
                raise ValueError(f"the free text {part.name!r} must be followed by a literal part")

    def parse(self, reply: str) -> dict[str, str] | None:
        """The values of the named parts, or None if the reply isn't valid. Free text may hold any
        characters except the literal that closes it.
        """
        found = self._reader.fullmatch(reply.strip())
        return found.groupdict() if found else None

    def spell(self, values: Mapping[str, object]) -> list[str]:
        """The text of each part in the reply that parses to these values."""
        return [
            part.text
            if isinstance(part, Literal)
            else f"{part.before}{values[part.name]}{part.after}"
            if isinstance(part, Choice)
            else str(values[part.name])
            for part in self.parts
        ]

    def write(self, values: Mapping[str, object]) -> str:
        """The reply that parses to these values."""
        return "".join(self.spell(values))

    @cached_property
    def _reader(self) -> re.Pattern[str]:
        pattern = ""
        for part, following in zip(self.parts, (*self.parts[1:], None), strict=True):
            match part:
                case Literal(text):
                    pattern += re.escape(text)
                case Choice(name, options, before, after):
                    alternatives = "|".join(map(re.escape, options))
                    pattern += f"{re.escape(before)}(?P<{name}>{alternatives}){re.escape(after)}"
                case Text(name, limit):
                    assert isinstance(following, Literal)
                    closing = re.escape(following.text)
                    pattern += f"(?P<{name}>(?:(?!{closing}).){{1,{limit}}})"
        return re.compile(pattern, re.DOTALL)
