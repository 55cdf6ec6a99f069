"""The environment that jobs inherit from the caller."""

import os
from pathlib import Path


def clean_environment(foreign: Path) -> None:
    """Drop the variables that a file names, one a line: they choose other packages, or another look of figures.

    The Makefile leaves the same out, for the set-up and for what it calls.
    """
    for name in foreign.read_text().split():
        os.environ.pop(name, None)
    os.environ["PYTHONNOUSERSITE"] = "1"  # conda environments would see packages in the user's home
