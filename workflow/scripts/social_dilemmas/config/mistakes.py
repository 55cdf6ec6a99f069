"""A mistake in the configuration, told in one sentence."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

Place = tuple[str | int, ...]  # keys and list positions on the way to a value

TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


@dataclass(frozen=True)
class Mistake:
    """Where it is, and a sentence that says all but the file."""

    place: Place
    sentence: str


def schema_mistakes(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mistake]:
    """All violations of a JSON schema, unknown keys first: what is missing may just be misspelt."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
    ordered = sorted(errors, key=lambda error: error.validator != "additionalProperties")
    return [_mistake(error, config) for error in ordered]


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
        config = config[step] if _holds(config, step) else None
        if isinstance(step, int):
            name = config.get("name", step) if isinstance(config, Mapping) else step
            written += f"[{name}]"
        else:
            written += f".{step}" if written else step
    return written


def look_up(config: Any, place: Place) -> Any:
    """The value at a place; NaN, which equals nothing, if there is none."""
    for step in place:
        if not _holds(config, step):
            return math.nan
        config = config[step]
    return config


def _holds(config: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(config, list) and step < len(config)
    return isinstance(config, Mapping) and step in config


def _mistake(error: jsonschema.ValidationError, config: Mapping[str, Any]) -> Mistake:
    place, value, limit = tuple(error.absolute_path), error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            key = next(key for key in value if key not in known)
            where = words(place, config) or "the configuration"
            return unknown((*place, key), "key", str(key), known, where)
        case "required":
            missing = next(key for key in limit if key not in value)
            return Mistake(place, f"the key {words((*place, missing), config)} is missing")
        case "enum":
            allowed = ("null" if value is None else str(value) for value in limit)
            must = f"must be one of {', '.join(allowed)}"
        case "type":
            types = [limit] if isinstance(limit, str) else limit
            must = f"must be {' or '.join(TYPES[name] for name in types)}"
        case "minimum":
            must = f"must be at least {limit}"
        case "multipleOf":
            must = f"must be a multiple of {limit}"
        case "maximum":
            must = f"must be at most {limit}"
        case "exclusiveMinimum":
            must = f"must be greater than {limit}"
        case "exclusiveMaximum":
            must = f"must be less than {limit}"
        case "minItems" | "maxItems" if limit > 1:
            must = f"must hold {limit} entries"
        case "minItems" | "minProperties" | "minLength":
            must = "must not be empty"
        case "maxProperties":
            must = f"must not hold more than {limit} of {', '.join(error.schema['properties'])}"
        case "uniqueItems":
            must = "must not hold anything twice"
        case "pattern":
            must = "must consist of lower-case letters, digits, _ and -"
        case _:
            raise AssertionError(f"the schema uses {error.validator}, which has no words yet")
    return Mistake(place, f"{words(place, config)} {must}, but is {_shown(value)}")


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
