"""One of several processes that share a training run; `launch` starts them."""

import json
import logging
import os
import sys
import traceback
from importlib import import_module
from threading import Thread
from typing import Any, TextIO

from social_dilemmas.errors import UserError

ORPHANED = 3  # exit status of a process whose parent has gone


class Reports(logging.Handler):
    """Sends what is logged to the process that started this one, a line of JSON each."""

    def __init__(self, pipe: TextIO) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        self.send(level=record.levelno, message=record.getMessage())

    def send(self, **report: Any) -> None:
        """Send a line."""
        print(json.dumps(report), file=self._pipe, flush=True)


def main() -> None:
    """Do a worker's part of the job that stands on the standard input."""
    job = json.loads(sys.stdin.readline())
    Thread(target=_end_with_parent, daemon=True).start()
    reports = Reports(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # whatever else is printed is no report
    index, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    logger = logging.getLogger("social_dilemmas")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(reports if index == 0 else logging.NullHandler())
    try:
        _call(job, count)
    except UserError as error:
        reports.send(failure=str(error), user_error=True)
        os._exit(1)
    except Exception as error:
        traceback.print_exc()
        reports.send(failure=f"{type(error).__name__}: {error}", user_error=False)
        os._exit(1)


def _call(job: dict[str, Any], world_size: int) -> None:
    from social_dilemmas.run.ranks import join_ranks, leave_ranks

    module, _, name = job["function"].partition(":")
    function = getattr(import_module(module), name)
    ranks = join_ranks(world_size)
    function(**job["arguments"], ranks=ranks)
    leave_ranks(ranks)


def _end_with_parent() -> None:
    """The standard input ends when the process that started this one has gone."""
    sys.stdin.read()
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
