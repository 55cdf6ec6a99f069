"""How every script of the workflow begins and ends: its log, its threads, its last words."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from social_dilemmas.errors import UserError
from social_dilemmas.games import declare

THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


@contextmanager
def job() -> Iterator[Any]:
    """The body of a script; gives the object `snakemake` that describes the job.

    All output goes to the job's log. Progress, warnings and the one sentence that tells why a job
    failed also go to the terminal. Libraries that compute must be imported inside, so that they see
    the job's number of threads.
    """
    snakemake = vars(sys.modules["__main__"])["snakemake"]  # put there by the directive `script:`
    os.environ.update(dict.fromkeys(THREAD_LIMITS, str(snakemake.threads)))
    os.environ.update(TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")
    declare(snakemake.config.get("games", ()))
    log = Path(snakemake.log[0])
    terminal = _divert_output(log)
    logger = _logger(terminal)
    try:
        yield snakemake
    except UserError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        logger.error("%s: %s (see %s)", type(error).__name__, error, log)
        sys.exit(1)


def _divert_output(log: Path) -> TextIO:
    """Send all that this process and its libraries print to a file; give back the terminal."""
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return terminal


def _logger(terminal: TextIO) -> logging.Logger:
    """The library's logger, whose lines go to the terminal and, with their time, to the log."""
    in_log, on_terminal = logging.StreamHandler(sys.stderr), logging.StreamHandler(terminal)
    in_log.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("social_dilemmas")
    logger.setLevel(logging.INFO)
    logger.handlers = [in_log, on_terminal]
    return logger
