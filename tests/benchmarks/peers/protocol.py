"""What the comparison and its workers say to each other: a line asks for one repetition, its seconds are the answer."""

import json
import os
import sys
from pathlib import Path
from typing import Any

# What a library prints must not get between the answers.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def task() -> tuple[str, dict[str, Any]]:
    """The folder of the model, and what is to be done with it: the arguments of the process."""
    model, file = sys.argv[1:]
    return model, json.loads(Path(file).read_text())


def wait() -> None:
    """Until the next repetition is asked for; exits if there is none."""
    if not sys.stdin.readline():
        raise SystemExit


def answer(seconds: float) -> None:
    """Say what a repetition took."""
    print(seconds, file=_answers, flush=True)
