"""Runs a function in several processes of this machine, the ranks of a job.

`multiprocessing` starts them, since a script of Snakemake can't be started by a launcher such as torchrun. Every rank
imports that script again, so its statements must stand below `if __name__ == "__main__":`.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from logging.handlers import QueueHandler
from threading import Thread
from typing import Any

from social_dilemmas.errors import UserError

LIBRARY = logging.getLogger("social_dilemmas")
AFTERMATH = 0.5  # seconds after a failure, in which its cause shows
ORPHANED = 3  # exit status of a rank whose parent has gone


def launch(function: Callable[..., None], world_size: int, **arguments: Any) -> None:
    """Call `function(**arguments, ranks=...)` in `world_size` processes, or in this one where that is 1.

    Log records of rank 0 go to this process's loggers. The ranks end when this process does, however it ends.

    Raises:
        UserError: the first that a rank raised, or a rank was killed.
        RuntimeError: a rank raised something else.
    """
    if world_size == 1:
        from social_dilemmas.run.ranks import ALONE

        function(**arguments, ranks=ALONE)
        return
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    shared = (world_size, free_port(), reports, partial(function, **arguments))
    processes = [
        context.Process(target=_run_rank, args=(rank, *shared), daemon=True)
        for rank in range(world_size)
    ]
    failures: list[Exception] = []
    try:
        for process in processes:
            process.start()
        while not failures and {each.exitcode for each in processes} in ({None}, {None, 0}):
            time.sleep(0.1)
            failures += _relay(reports)
        if failures or any(process.exitcode for process in processes):
            time.sleep(AFTERMATH)
        failures += _relay(reports)
        codes = [process.exitcode for process in processes]
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
    _raise_cause(codes, failures)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _relay(reports: Any) -> list[Exception]:
    """Pass on the log records that ranks have sent; gives the exceptions among what they sent."""
    failures = []
    while not reports.empty():
        report = reports.get()
        if isinstance(report, Exception):
            failures.append(report)
        elif LIBRARY.isEnabledFor(report.levelno):
            logging.getLogger(report.name).handle(report)
    return failures


def _raise_cause(codes: Sequence[int | None], failures: Sequence[Exception]) -> None:
    """Raise what went wrong first: the failure of one rank makes the others fail, too."""
    for failure in failures:
        if isinstance(failure, UserError):
            raise failure
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            raise UserError(
                f"process {rank + 1} of the {len(codes)} that trained was killed ({signal.Signals(-code).name}), as "
                "happens where memory runs out; run it again, and it goes on from its last checkpoint, or lower "
                "training.world_size or training.micro_batch_tokens"
            )
    if failures:
        raise failures[0]
    if any(codes):
        raise RuntimeError(f"the training processes ended with the exit statuses {codes}")


def _run_rank(
    rank: int, world_size: int, port: int, reports: Any, run: Callable[..., None]
) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from social_dilemmas.run.ranks import joined

    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", 1)) // world_size))
    LIBRARY.setLevel(logging.INFO)
    LIBRARY.propagate = False
    LIBRARY.addHandler(QueueHandler(reports) if rank == 0 else logging.NullHandler())
    try:
        with joined(rank, world_size, port) as ranks:
            run(ranks=ranks)
    except Exception as error:
        if isinstance(error, UserError):
            reports.put(error)
        else:
            traceback.print_exc()
            reports.put(RuntimeError(f"{type(error).__name__}: {error}"))
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(ORPHANED)
