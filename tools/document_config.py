"""Write what follows from the configuration's types: the editors' schema and the tables of config/README.md."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from social_dilemmas.config import schema
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.section import Section

REPOSITORY = Path(__file__).resolve().parents[1]
SCHEMA = REPOSITORY / "workflow/schemas/config.schema.json"
README = REPOSITORY / "config/README.md"
TABLE = re.compile(r"(<!-- keys of (\w+) -->\n)(?:.*?)(<!-- end -->)", re.DOTALL)


def table(section: type[Section]) -> str:
    """The keys of a section as a table in Markdown."""
    rows = [
        f"| `{key}` | {' '.join((field.description or '').split())} | {default(field)} |\n"
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


def sections(of: type[Section] = Section) -> dict[str, type[Section]]:
    """All sections that a file may have, by their names, but for those that it gives in part."""
    found: dict[str, type[Section]] = {}
    for section in of.__subclasses__():
        found |= {section.__name__: section, **sections(section)}
    return {
        name: section
        for name, section in found.items()
        if section.__module__.startswith(schema.__name__) and not name.startswith("Partial")
    }


def readme(text: str) -> str:
    """The README with all tables as the types say."""
    known = sections()
    return TABLE.sub(lambda found: f"{found[1]}{table(known[found[2]])}{found[3]}", text)


def editors_schema() -> str:
    """The JSON schema of the configuration, its texts without line breaks."""
    text = json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False)
    return re.sub(r"(\\n)+", " ", text) + "\n"


def main() -> None:
    """Write both files."""
    SCHEMA.write_text(editors_schema(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
