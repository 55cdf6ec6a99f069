"""Stands in for conda where conda itself can't be had: as much of its command line as Snakemake uses.

Behind it work the solver and the installer of py-rattler. LOCAL_CONDA_CHANNELS, a JSON object, says where a channel is
really to be found, so that environment files stay as they are: {"conda-forge": "file:///..."}.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import rattler
import yaml

VERSION = "25.1.1"  # that of a conda that Snakemake accepts
ROOT = Path(sys.prefix)
PLATFORMS: list[Any] = ["linux-64", "noarch"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("--version", action="version", version=f"conda {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info").add_argument("--json", action="store_true")
    config = commands.add_parser("config")
    config.add_argument("--get", choices=["channel_priority"], required=True)
    config.add_argument("--json", action="store_true")
    env = commands.add_parser("env").add_subparsers(dest="action", required=True)
    for create in (commands.add_parser("create"), env.add_parser("create")):
        create.add_argument("--file", type=Path, required=True)
        create.add_argument("--prefix", type=Path)
        for option in ("--quiet", "--no-default-packages", "--yes"):
            create.add_argument(option, action="store_true")
    clean = commands.add_parser("clean")
    for names in (("--yes", "-y"), ("--tarballs",), ("--packages",)):
        clean.add_argument(*names, action="store_true")
    listing = commands.add_parser("list")
    listing.add_argument("--prefix", type=Path, required=True)
    for option in ("--explicit", "--md5"):
        listing.add_argument(option, action="store_true", required=True)
    options = parser.parse_args()
    if options.command == "info":
        facts = {"conda_prefix": str(ROOT), "root_prefix": str(ROOT), "platform": "linux-64"}
        print(json.dumps(facts | {"conda_version": VERSION}))
    elif options.command == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif options.command == "create":
        asyncio.run(create_from_pins(options.file, options.prefix))
    elif options.command == "env":
        asyncio.run(create_from_yaml(options.file, options.prefix))
    elif options.command == "list":
        list_packages(options.prefix)
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads may crash an interpreter that takes its leave


async def create_from_yaml(file: Path, prefix: Path | None) -> None:
    """Make an environment of an environment file; what it leaves to pip is left to pip."""
    text = yaml.safe_load(file.read_text())
    places = json.loads(os.environ.get("LOCAL_CONDA_CHANNELS", "{}"))
    channels = [places.get(name, name) for name in text["channels"] if name != "nodefaults"]
    dependencies = text["dependencies"]
    specs = [each for each in dependencies if isinstance(each, str)]
    prefix = prefix or ROOT / "envs" / text["name"]
    await install(channels, specs, prefix)
    for section in (each["pip"] for each in dependencies if isinstance(each, dict)):
        with tempfile.TemporaryDirectory() as folder:
            requirements = Path(folder, "requirements.txt")
            requirements.write_text("\n".join(section) + "\n")
            pip = [prefix / "bin" / "python", "-m", "pip", "install", "--no-input"]
            subprocess.run([*pip, "--requirement", requirements], check=True)


async def create_from_pins(file: Path, prefix: Path) -> None:
    """Make an environment of a list of packages, as `conda list --explicit` writes it."""
    urls = [line.split("#")[0] for line in file.read_text().splitlines() if "://" in line]
    specs = []
    for url in urls:
        name, version, build = url.rsplit("/", 1)[1].removesuffix(".conda").rsplit("-", 2)
        specs.append(f"{name}=={version}={build}")
    await install(sorted({url.rsplit("/", 2)[0] for url in urls}), specs, prefix)


async def install(channels: list[str], specs: list[str], prefix: Path) -> None:
    records = await rattler.solve(
        [rattler.Channel(channel) for channel in dict.fromkeys(channels)],
        [rattler.MatchSpec(spec) for spec in specs],
        platforms=PLATFORMS,
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    cache = Path(os.environ.get("CONDA_PKGS_DIRS", ROOT / "pkgs"))
    await rattler.install(records, prefix, cache_dir=cache, show_progress=False)


def list_packages(prefix: Path) -> None:
    print("@EXPLICIT")
    for file in sorted((prefix / "conda-meta").glob("*.json")):
        record = json.loads(file.read_text())
        print(f"{record['url']}#{record['md5']}")


if __name__ == "__main__":
    main()
