"""Write what follows from the configuration's types: the editors' schema and the tables of config/README.md."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from social_dilemmas.config import schema
from social_dilemmas.config.schema import Config, Section

REPOSITORY = Path(__file__).resolve().parents[1]
SCHEMA = REPOSITORY / "workflow/schemas/config.schema.json"
README = REPOSITORY / "config/README.md"
TABLE = re.compile(r"(<!-- keys of (\w+) -->\n)(?:.*?)(<!-- end -->)", re.DOTALL)


def table(section: type[Section]) -> str:
    """The keys of a section as a table in Markdown."""
    rows = [
        f"| `{key}` | {one_line(field.description or '')} | {default(field)} |\n"
        for key, field in section.model_fields.items()
    ]
    return "".join(["| key | meaning | default |\n", "|---|---|---|\n", *rows])


def default(field: FieldInfo) -> str:
    """A key's default as YAML would write it; nothing for a key that is needed."""
    if field.is_required():
        return ""
    value: Any = field.get_default()
    if isinstance(value, Section):
        return "see below"
    return f"`{written(value)}`"


def written(value: object) -> str:
    """A value as YAML writes it, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("...").strip()


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def readme(text: str) -> str:
    """The README with all tables as the types say."""
    return TABLE.sub(lambda found: f"{found[1]}{table(getattr(schema, found[2]))}{found[3]}", text)


def editors_schema() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(_one_lined(Config.model_json_schema()), indent=1, ensure_ascii=False) + "\n"


def _one_lined(value: Any) -> Any:
    """A JSON value whose texts have no line breaks."""
    if isinstance(value, Mapping):
        return {key: _one_lined(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_one_lined(each) for each in value]
    return one_line(value) if isinstance(value, str) else value


def main() -> None:
    """Write both files."""
    SCHEMA.write_text(editors_schema(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
