"""Versions that are reported are those that are in use."""

import platform
import subprocess
from pathlib import Path

import jinja2

from social_dilemmas.run.versions import versions


def test_versions_and_the_commit_if_there_is_one(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        command = ["git", *identity, "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    found = dict(versions(tmp_path))
    assert found["Python"] == platform.python_version()
    assert found["Jinja2"] == jinja2.__version__
    assert "commit" not in found
    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    git("tag", "v1")
    commit = git("rev-parse", "HEAD")
    assert dict(versions(tmp_path))["commit"] == commit
    (tmp_path / "file").write_text("2")
    assert dict(versions(tmp_path))["commit"] == f"{commit} with changes"
