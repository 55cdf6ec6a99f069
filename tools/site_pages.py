"""The site's pages beside those of docs/, as mkdocs asks for them: files that pages link to, and the reference.

Pages link to files of the project by relative paths, as GitHub wants them; the site has each such file as a page. A
block of code that holds nothing but `# method/credit.py: naive` becomes that function or class, without its docstring.
Formulas become MathML, which browsers draw by themselves.
"""

import ast
import posixpath
import re
from html import unescape
from pathlib import Path
from textwrap import dedent

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LIBRARY = ROOT / "workflow" / "scripts" / "social_dilemmas"
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)")
CODE = re.compile(r"^```python\n# (\S+\.py): (\w+)\n```$", re.MULTILINE)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[([](.*?)\\[)\]]</\1>', re.DOTALL)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".cff": "yaml"}

origins: dict[str, Path] = {}
"""Where pages of the site come from: files of the project by the pages' own paths; the reference has none."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation, with the reference at its end."""
    config.nav = [*(config.nav or []), {"Reference": [reference(room) for room in rooms()]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of docs/, those that they link to, those that these link to, and the reference."""
    origins.clear()
    waiting = [DOCS / file.src_uri for file in files.documentation_pages()]
    while waiting:
        path = waiting.pop()
        if place(path) in origins:
            continue
        origins[place(path)] = path
        if not path.is_relative_to(DOCS):
            files.append(File.generated(config, place(path), content=page_of(path)))
        if path.suffix == ".md":
            linked = [path.parent / link for link in LINK.findall(path.read_text(encoding="utf-8"))]
            found = [each.resolve() for each in linked if each.is_file()]
            waiting += [each for each in found if each.suffix not in (".png", ".svg")]
    for room in rooms():
        text = f"# {room}\n\n::: social_dilemmas.{room}\n"
        files.append(File.generated(config, reference(room), content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page with the code that it shows, and with links to where the site has what they name."""
    origin = origins.get(page.file.src_uri)
    if origin is None or origin.suffix != ".md":
        return markdown

    def link(found: re.Match[str]) -> str:
        target = (origin.parent / found[1]).resolve()
        here = posixpath.dirname(page.file.src_uri)
        return posixpath.relpath(place(target), here or ".") if target.is_file() else found[1]

    return LINK.sub(link, CODE.sub(source, markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page with its formulas in MathML."""
    display = {"span": "inline", "div": "block"}
    return FORMULA.sub(lambda found: convert(unescape(found[2]), display=display[found[1]]), html)


def place(path: Path) -> str:
    """Where the site has a file of the project."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(ROOT).as_posix()
    if name == "README.md":  # the site has a first page of its own
        return "overview.md"
    return name if path.suffix == ".md" else f"{name}.md"


def page_of(path: Path) -> str:
    """What the page of a file of the project says."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    language = LANGUAGES.get(path.suffix, "text")
    title = path.relative_to(ROOT).as_posix()
    return f"---\nsearch: {{exclude: true}}\n---\n# `{title}`\n\n````{language}\n{text}\n````\n"


def source(found: re.Match[str]) -> str:
    """The code of a function or class of the library, without its docstring, as a block."""
    path, name = LIBRARY / found[1], found[2]
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            kept = lines[node.lineno - 1 : node.end_lineno]
            if ast.get_docstring(node):
                first, last = node.body[0].lineno, node.body[0].end_lineno or 0
                del kept[first - node.lineno : last - node.lineno + 1]
            return f"```python\n{dedent(chr(10).join(kept))}\n```"
    raise PluginError(f"{found[1]} has no function or class {name}, which a page wants to show")


def rooms() -> list[str]:
    """The library's packages, and modules that lie beside them."""
    modules = [*LIBRARY.glob("*.py"), *(path.parent for path in LIBRARY.glob("*/__init__.py"))]
    return sorted(path.stem for path in modules if not path.stem.startswith("_"))


def reference(room: str) -> str:
    """Where the site has the reference of a room."""
    return f"reference/{room}.md"
