"""Make a small conda channel of Python packages that are installed here, and of this Python itself.

The packages' own statements of what they need become dependencies, so that the solver has something to solve and
contradictions between pinned versions are found. Called as: local_channel.py CHANNEL NAMES --sites SITE...
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from io import BytesIO
from pathlib import Path
from typing import Any

import zstandard
from packaging.requirements import Requirement
from packaging.version import Version
from rattler.index import index_fs

HERE = Path(__file__).parent
PYTHON = "{}.{}".format(*sys.version_info)
PLACEHOLDER = "/a/prefix/that/the/installer/replaces"
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "snakemake": "snakemake-minimal",
    "torch": "pytorch",
}


@dataclass
class Package:
    """A package to be written. `files` are contents or places of files, by their path in it."""

    name: str
    version: str
    depends: list[str]
    files: Mapping[str, bytes | Path]
    links: Mapping[str, str] = field(default_factory=dict)
    entry_points: list[str] = field(default_factory=list)
    noarch: bool = False

    def write(self, channel: Path) -> None:
        folder = channel / ("noarch" if self.noarch else "linux-64")
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.name}-{self.version}-0"
        with zipfile.ZipFile(folder / f"{stem}.conda", "w") as package:
            package.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
            paths: list[dict[str, Any]] = []
            with Archive(package, f"pkg-{stem}.tar.zst") as archive:
                for path, content in self.files.items():
                    data = content.read_bytes() if isinstance(content, Path) else content
                    archive.add(path, data)
                    paths.append(described(path, data))
                for path, target in self.links.items():
                    archive.link(path, target)
                    empty = hashlib.sha256().hexdigest()
                    paths.append({"_path": path, "path_type": "softlink", "sha256": empty})
            with Archive(package, f"info-{stem}.tar.zst") as archive:
                for name, text in self.information(paths).items():
                    archive.add(f"info/{name}", json.dumps(text).encode())

    def information(self, paths: list[dict[str, Any]]) -> dict[str, Any]:
        index = {
            "name": self.name,
            "version": self.version,
            "build": "0",
            "build_number": 0,
            "depends": self.depends,
            "subdir": "noarch" if self.noarch else "linux-64",
            **({"noarch": "python"} if self.noarch else {}),
        }
        about: dict[str, Any] = {}
        found = {
            "index.json": index,
            "about.json": about,
            "paths.json": {"paths": paths, "paths_version": 1},
        }
        if self.noarch:
            python = {"type": "python", "entry_points": self.entry_points}
            found["link.json"] = {"noarch": python, "package_metadata_version": 1}
        return found


class Archive:
    """A compressed tar file within a zip file."""

    def __init__(self, package: zipfile.ZipFile, name: str) -> None:
        self._member = package.open(name, "w", force_zip64=True)
        self._compressor = zstandard.ZstdCompressor(level=1).stream_writer(
            self._member, closefd=False
        )
        self._tar = tarfile.TarFile.open(fileobj=self._compressor, mode="w|")

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._tar, self._compressor, self._member):
            part.close()

    def add(self, path: str, data: bytes) -> None:
        entry = tarfile.TarInfo(path)
        entry.size = len(data)
        entry.mode = 0o755 if path.startswith("bin/") else 0o644
        self._tar.addfile(entry, BytesIO(data))

    def link(self, path: str, target: str) -> None:
        entry = tarfile.TarInfo(path)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)


def described(path: str, data: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {"_path": path, "path_type": "hardlink"}
    facts |= {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    if path.startswith("bin/") and PLACEHOLDER.encode() in data:
        facts |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return facts


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(
    names: list[str], installed: Mapping[str, Distribution]
) -> dict[str, dict[str, Requirement]]:
    """All packages that these need in turn, and for each of them what it needs itself."""
    found: dict[str, dict[str, Requirement]] = {}
    waiting = [(normalized(name), "") for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        own = found.setdefault(name, {})
        for requirement in map(Requirement, installed[name].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                other = normalized(requirement.name)
                own[f"{other} {requirement.specifier}"] = requirement
                waiting += [(other, each) for each in ("", *requirement.extras)]
    return found


def repacked(
    name: str, distribution: Distribution, requirements: Mapping[str, Requirement]
) -> Package:
    """An installed Python package as a conda package."""
    depends = [f"python {PYTHON}.*"]
    for requirement in requirements.values():
        other = normalized(requirement.name)
        depends.append(f"{CONDA_NAMES.get(other, other)} {requirement.specifier}".strip())
    return Package(
        CONDA_NAMES.get(name, name),
        Version(distribution.version).public,
        depends,
        dict(own_files(distribution)),
        entry_points=[
            f"{point.name} = {point.value}"
            for point in distribution.entry_points.select(group="console_scripts")
        ],
        noarch=True,
    )


def own_files(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    for file in distribution.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield f"site-packages/{file.as_posix()}", Path(str(distribution.locate_file(file)))


def python() -> Package:
    """This interpreter, as a package that only points to it."""
    binary = Path(sys.base_prefix).resolve() / "bin" / f"python{PYTHON}"
    version = "{}.{}.{}".format(*sys.version_info)
    settings = (
        f"home = {binary.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    links = {"bin/python": str(binary), "bin/python3": "python", f"bin/python{PYTHON}": "python"}
    return Package("python", version, [], {"pyvenv.cfg": settings.encode()}, links)


def conda() -> Package:
    """The stand-in for conda."""
    files: dict[str, bytes | Path] = {
        "bin/conda": f"#!{PLACEHOLDER}/bin/python\n{(HERE / 'stand_in.py').read_text()}".encode(),
        "bin/activate": HERE / "activate",
    }
    return Package("conda", "25.1.1", [f"python {PYTHON}.*", "py-rattler", "pyyaml"], files)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("channel", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--sites", nargs="+", required=True)
    options = parser.parse_args()
    installed: dict[str, Distribution] = {}
    for distribution in distributions(path=options.sites):
        installed.setdefault(normalized(distribution.metadata["Name"]), distribution)
    requirements = needed([*options.names, "py-rattler", "pyyaml"], installed)
    for package in (python(), conda()):
        package.write(options.channel)
    for name, own in requirements.items():
        repacked(name, installed[name], own).write(options.channel)
    asyncio.run(index_fs(options.channel, force=True))
    os._exit(0)  # py-rattler's threads may crash an interpreter that takes its leave


if __name__ == "__main__":
    main()
