"""How every script of the workflow begins and ends: its log, its threads, its last words."""

import gc
import logging
import os
import platform
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from social_dilemmas.errors import UserError
from social_dilemmas.games import declare
from social_dilemmas.run.gpus import reserved
from social_dilemmas.run.progress import duration
from social_dilemmas.run.tracking import tracked

ANNOUNCED = 10  # seconds; jobs that are shorter say nothing of what they need
COLLECT_AFTER = 20_000  # new objects; Python's 700 takes a fifth of the time of importing torch
THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


@contextmanager
def job() -> Iterator[Any]:
    """The body of a script; gives the object `snakemake` that describes the job.

    All output goes to the job's log. Progress, warnings and the one sentence that tells why a job failed also go to the
    terminal. Libraries that compute must be imported inside, so that they see the job's number of threads.
    """
    snakemake = vars(sys.modules["__main__"])["snakemake"]  # put there by the directive `script:`
    os.environ.update(dict.fromkeys(THREAD_LIMITS, str(snakemake.threads)))
    os.environ.update(TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")
    gc.set_threshold(COLLECT_AFTER)
    declare(snakemake.config.get("games", ()))
    log = Path(snakemake.log[0])
    terminal = _divert_output(log)
    logger = _logger(terminal)
    # The interpreter tells which environment Snakemake runs the job in.
    print(f"Python {platform.python_version()} in {sys.prefix}", file=sys.stderr, flush=True)
    try:
        with tracked(snakemake), reserved(_gpus(snakemake)):
            _announce(snakemake)
            yield snakemake
    except UserError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        logger.error("%s: %s (see %s)", type(error).__name__, error, log)
        sys.exit(1)


def _gpus(snakemake: Any) -> int:
    """How many GPUs the job asks for."""
    return getattr(getattr(snakemake, "resources", None), "gpu", 0) or 0


def _announce(snakemake: Any) -> None:
    """Say what the job is expected to need, and refuse to begin where there is no GPU for it or a too small one."""
    expected: Any = getattr(snakemake, "resources", None)
    seconds: float = getattr(expected, "estimated_seconds", 0)
    if seconds < ANNOUNCED:
        return
    names = ", ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    needed = [f"{expected.estimated_mb / 1000:.1f} GB"]
    if on_gpu := expected.estimated_gpu_mb:
        needed.append(f"{on_gpu / 1000:.1f} GB on the GPU")
        _check_gpu(on_gpu)
    logger = logging.getLogger(__name__)
    logger.info("%s: estimated: %s, %s", names, ", ".join(needed), duration(seconds))


def _check_gpu(needed: float) -> None:
    """Raise UserError where there is no GPU, or one with less memory than so many MB."""
    import torch

    if not torch.cuda.is_available():
        remedy = "run it where there is one"
        if not (torch.version.cuda or torch.version.hip):
            remedy = "this PyTorch was built for CPUs: rm -rf .venv, and set up again with TORCH_INDEX= make"
        raise UserError(
            f"this job needs a GPU with {needed / 1000:.1f} GB by its estimate, but sees none; {remedy}, or set "
            "machine.gpu to null"
        )
    there = torch.cuda.get_device_properties(0)
    if there.total_memory / 1e6 < needed:
        raise UserError(
            f"this job needs {needed / 1000:.1f} GB of GPU memory by its estimate, but {there.name} has "
            f"{there.total_memory / 1e9:.1f} GB; lower matches, batch or micro_batch_tokens, or set "
            "activation_checkpointing to true"
        )


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
