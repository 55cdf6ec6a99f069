"""What a run was made with: the interpreter, the platform, the packages, and the commit if known."""

import platform
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[4]


def versions(repository: Path = REPOSITORY) -> list[tuple[str, str]]:
    """Names and versions: the project's commit, Python, the platform, and all installed packages.

    Args:
        repository: folder of the project; without git there is no commit to be told.
    """
    packages = {package.name: package.version for package in distributions()}
    commit = _commit(repository)
    return [
        *([("commit", commit)] if commit else []),
        ("Python", platform.python_version()),
        ("platform", f"{platform.system()} {platform.machine()}"),
        *sorted(packages.items(), key=lambda package: package[0].lower()),
    ]


def _commit(repository: Path) -> str | None:
    """The commit that is checked out, and whether files differ from it."""
    git = shutil.which("git")
    if git is None or not (repository / ".git").exists():
        return None

    def asked(*arguments: str) -> str | None:
        command = [git, "-C", str(repository), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        return run.stdout.strip() if run.returncode == 0 else None

    commit = asked("rev-parse", "HEAD")
    changed = asked("status", "--porcelain", "--untracked-files=no")
    return f"{commit} with changes" if commit and changed else commit
