"""What a section of the configuration is, and what its values may be."""

import re
from collections.abc import Mapping
from functools import cache
from math import isfinite
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from social_dilemmas.games import whole_numbers


class Section(BaseModel):
    """A mapping of the configuration: no unknown keys, no conversions, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, value: Any) -> Any:
        """An error that knows its section; `config.mistakes` makes a sentence of it."""
        for key in value if isinstance(value, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "", {"key": key, "section": cls})
        return value

    def plain(self, *, without: str = "") -> dict[str, Any]:
        """The section as plain data, the same for equal sections: Snakemake compares texts."""
        return self.model_dump(mode="json", exclude={without})

    @field_validator("*")
    @classmethod
    def _sort_keys(cls, value: Any) -> Any:
        return _sorted(value)


def _sorted(value: Any) -> Any:
    """The same value with the keys of mappings, and of those within, in alphabetical order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _finite(value: Any) -> Any:
    """The same free-form value; ValueError where it holds NaN or infinity."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _finite(part)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must hold finite numbers only")
    return value


def unique(values: list[Any]) -> list[Any]:
    """The same list; ValueError where it holds something twice."""
    if any(value in values[:place] for place, value in enumerate(values)):
        raise ValueError("must not hold anything twice")
    return values


def like(pattern: str, must: str) -> AfterValidator:
    """Only texts of this pattern; `must` says in words what that is."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {must}")
        return text

    return AfterValidator(check)


def _single(name: str) -> str:
    """The same name; ValueError where it holds what stands between two of them."""
    if "-vs-" in name:
        raise ValueError("must not hold -vs-, which stands between the names of a pair")
    return name


Name = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9_-]*$"), AfterValidator(_single)]
Text = Annotated[str, Field(min_length=1)]
EnvironmentVariable = Annotated[str, like(r"[A-Za-z_]\w*", "the name of an environment variable")]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
EvenCount = Annotated[int, Field(ge=2, multiple_of=2)]
Names = Annotated[list[str], AfterValidator(unique)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
FreeForm = Annotated[dict[str, Any], AfterValidator(_finite)]
Rules = Annotated[FreeForm, AfterValidator(whole_numbers)]


@cache
def partial(section: type[Section]) -> type[Section]:
    """The same section with no key needed, for what a file adds to the levels above it."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            annotation = partial(annotation)
        for bound in field.metadata:
            annotation = Annotated[annotation, bound]
        fields[name] = (annotation, Field(None, description=field.description))
    made: type[Section] = create_model(
        f"Partial{section.__name__}", __base__=Section, __doc__=section.__doc__, **fields
    )
    return made


def named(entries: list[Any], name: str) -> Any:
    """The entry of this name.

    Raises:
        KeyError: there is none.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    raise KeyError(name)
