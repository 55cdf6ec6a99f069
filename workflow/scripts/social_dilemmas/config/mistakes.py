"""A mistake in the configuration, said in one sentence that names the key and what is allowed."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from social_dilemmas.config.schema.config import Config

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
        for error in sorted(errors, key=lambda error: error["type"] != "unknown_key"):
            yield _mistake(error, config), error


def unknown(place: Place, what: str, name: str, known: Iterable[str], where: str) -> Mistake:
    """A name that refers to nothing; `what` and `where` it is, in words."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    guess = f", did you mean {close[0]!r}?" if close else ";"
    return Mistake(place, f"unknown {what} {name!r} in {where}{guess} allowed: {', '.join(known)}")


MISSING = object()


def value_at(place: Place, config: Any) -> Any:
    """The value at a place; `MISSING` if there is none."""
    for step in place:
        if not holds(config, step):
            return MISSING
        config = config[step]
    return config


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
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    place = _place(error, config)
    where = words(place, config)
    if kind == "missing":
        return Mistake(place, f"the key {words((*place, error['loc'][-1]), config)} is missing")
    if kind == "union_tag_not_found":
        return Mistake(place, f"the key {where}.kind is missing")
    if kind == "unknown_key":
        key, section = str(context["key"]), context["section"]
        return unknown(
            (*place, key), "key", key, section.model_fields, where or "the configuration"
        )
    if kind == "union_tag_invalid":
        place, where, value = (*place, "kind"), f"{where}.kind", value["kind"]
        return Mistake(place, f"{where} must be one of embedded, hub, gguf, but is {value!r}")
    if kind in ("too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        must = "must not be empty" if limit == 1 else f"must hold {limit} entries"
    elif kind == "literal_error":
        allowed = context["expected"].replace("'", "").replace(" or ", ", ")
        must = f"must be one of {allowed}"
    else:
        must = MUST[kind].format(**context)
    if kind.endswith(("_type", "_error")) and _may_be_null(error, place, config):
        must += ", null" if kind == "literal_error" else " or null"
    if place and place[-1] == "key_variable":  # perhaps the key itself
        return Mistake(place, f"{where} {must}")
    return Mistake(place, f"{where} {must}, but is {_shown(value)}")


def _place(error: ErrorDetails, config: Any) -> Place:
    """Where an error is: the steps of pydantic's location that exist, without those that name the kind of an entry."""
    place: Place = ()
    for step in error["loc"]:
        if holds(config, step):
            config = config[step]
            place += (step,)
    return place


def _may_be_null(error: ErrorDetails, place: Place, config: Mapping[str, Any]) -> bool:
    """Whether null would be no mistake at the place of an error."""
    changed: Any = deepcopy(config)
    entry = changed
    for step in place[:-1]:
        entry = entry[step]
    entry[place[-1]] = None
    try:
        Config.model_validate(changed)
    except ValidationError as invalid:
        return all(each["loc"] != error["loc"] for each in invalid.errors())
    return True


def _shown(value: Any) -> str:
    if isinstance(value, str) and _is_number(value):
        hint = "YAML takes 1.0e-3 for a number, but not 1e-3, and 1.0e+3, but not 1.0e3"
        if not isinstance(yaml.safe_load(value.strip()), str):
            hint = "leave the quotes out"
        return f"the text {value!r} ({hint})"
    return repr(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
