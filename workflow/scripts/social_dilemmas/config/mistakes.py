"""A mistake in the configuration, said in one sentence that names the key and what is allowed."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from social_dilemmas.config.schema import Config, EmbeddedModel, HubModel, Section

Place = tuple[str | int, ...]  # keys and list positions on the way to a value

MUST = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must consist of lower-case letters, digits, _ and -",
    "value_error": "{error}",
}
"""What a value must be, by pydantic's type of error and its context."""


@dataclass(frozen=True)
class Mistake:
    """Where it is, and a sentence that says everything except the file."""

    place: Place
    sentence: str


def mistakes_in(config: Mapping[str, Any]) -> Iterator[tuple[Mistake, ErrorDetails]]:
    """All violations of the schema, unknown keys first: what is missing may just be misspelt."""
    try:
        Config.model_validate(config)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        for error in sorted(errors, key=lambda error: error["type"] != "extra_forbidden"):
            yield _mistake(error, config), error


def unknown(place: Place, what: str, name: str, known: Iterable[str], where: str) -> Mistake:
    """A name that refers to nothing; `what` and `where` it is, in words."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    guess = f", did you mean {close[0]!r}?" if close else ";"
    return Mistake(place, f"unknown {what} {name!r} in {where}{guess} allowed: {', '.join(known)}")


def words(place: Place, config: Any) -> str:
    """A place as a reader would write it: `games[split].training.beta`."""
    written = ""
    for step in place:
        config = config[step] if holds(config, step) else None
        if isinstance(step, int):
            name = config.get("name", step) if isinstance(config, Mapping) else step
            written += f"[{name}]"
        else:
            written += f".{step}" if written else str(step)
    return written


def holds(config: Any, step: str | int) -> bool:
    """Whether a mapping has this key, or a list this position."""
    if isinstance(config, list):
        return isinstance(step, int) and step < len(config)
    return isinstance(config, Mapping) and step in config


def _mistake(error: ErrorDetails, config: Mapping[str, Any]) -> Mistake:
    kind, value = error["type"], error["input"]
    place = _place(error, config)
    where = words(place, config)
    if kind == "missing":
        return Mistake(place[:-1], f"the key {where} is missing")
    if kind == "union_tag_not_found":
        return Mistake(place, f"the key {where}.kind is missing")
    if kind == "extra_forbidden":
        return _unknown_key(place, config)
    if kind == "union_tag_invalid":
        place, where, value = (*place, "kind"), f"{where}.kind", value["kind"]
        return Mistake(place, f"{where} must be one of embedded, hub, but is {value!r}")
    if kind in ("too_short", "too_long"):
        limit = error["ctx"].get("min_length", error["ctx"].get("max_length"))
        must = "must not be empty" if limit == 1 else f"must hold {limit} entries"
    elif kind == "literal_error":
        allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        must = f"must be one of {allowed}"
    else:
        must = MUST[kind].format(**error.get("ctx", {}))
    if kind.endswith(("_type", "_error")) and type(None) in _types_at(place, config):
        must += ", null" if kind == "literal_error" else " or null"
    return Mistake(place, f"{where} {must}, but is {_shown(value)}")


def _place(error: ErrorDetails, config: Any) -> Place:
    """Where an error is, without the steps in pydantic's location that name the kind of an entry."""
    place: list[str | int] = []
    *steps, last = error["loc"]
    for step in steps:
        if holds(config, step):
            config = config[step]
            place.append(step)
    if holds(config, last) or error["type"] == "missing":
        place.append(last)
    return tuple(place)


def _unknown_key(place: Place, config: Mapping[str, Any]) -> Mistake:
    *parents, key = place
    section = _types_at(tuple(parents), config)[0]
    new = section.RENAMED.get(str(key))
    if new in section.model_fields:
        return Mistake(place, f"the key {words(place, config)} is now called {new}")
    where = words(tuple(parents), config) or "the configuration"
    return unknown(place, "key", str(key), section.model_fields, where)


def _types_at(place: Place, config: Any) -> list[Any]:
    """The types that the schema allows at a place."""
    found: list[Any] = [Config]
    for step in place:
        config = config[step]
        inner: list[Any] = []
        for kind in found:
            if isinstance(kind, type) and issubclass(kind, Section):
                if step in kind.model_fields:
                    inner += _alternatives(kind.model_fields[str(step)].annotation)
            elif get_origin(kind) in (list, dict):
                inner += _alternatives(get_args(kind)[-1])
        found = inner
        if found == [EmbeddedModel, HubModel]:  # told apart by their kind
            found = [HubModel if config.get("kind") == "hub" else EmbeddedModel]
    return sorted(
        found, key=lambda kind: not isinstance(kind, type) or not issubclass(kind, Section)
    )


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without what is annotated to them."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for member in get_args(annotation) for each in _alternatives(member)]
    return [annotation]


def _shown(value: Any) -> str:
    if isinstance(value, str) and _is_number(value):
        return f"the text {value!r} (YAML takes 1.0e-3 for a number, but not 1e-3)"
    return repr(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
