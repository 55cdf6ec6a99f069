"""Training runs, in this process or in several that share it.

A script of Snakemake can't be started by a launcher of many processes, so it starts them itself. They get their job
on their standard input, which stays open, so that they end when this process does; on their standard output they
tell how things stand; all else that they print goes where this process prints.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.run import worker

logger = logging.getLogger(__name__)
SCRIPTS = Path(__file__).resolve().parents[2]
AFTERMATH = 0.5  # seconds in which it shows who failed first


def launch(function: Callable[..., None], arguments: Mapping[str, Any], world_size: int) -> None:
    """Call a function in so many processes on this machine, each with its `ranks` as a further argument.

    Args:
        function: of a module, found there by its name.
        arguments: plain data, as it goes to the processes as JSON.
        world_size: with 1, the function is called in this process.

    Raises:
        UserError: as the function does, or one of the processes was killed.
    """
    if world_size == 1:
        function(**arguments)
        return
    name = f"{function.__module__}:{function.__qualname__}"
    _run_workers(json.dumps({"function": name, "arguments": arguments}), world_size)


def _run_workers(job: str, count: int) -> None:
    workers = [_start_worker(environment) for environment in _environments(count)]
    failures: list[dict[str, Any]] = []
    readers = [Thread(target=_relay, args=(each, failures), daemon=True) for each in workers]
    try:
        for each, reader in zip(workers, readers, strict=True):
            reader.start()
            _tell(each, job)
        while not failures and any(each.poll() is None for each in workers):
            if any(each.poll() for each in workers):
                break
            time.sleep(0.05)
        if failures or any(each.poll() for each in workers):
            time.sleep(AFTERMATH)
        codes = [each.poll() for each in workers]
    finally:
        for each, reader in zip(workers, readers, strict=True):
            each.kill()
            each.wait()
            reader.join()
            _close(each)
    _complain(codes, failures)


def _environments(count: int) -> list[dict[str, str]]:
    """What tells each of the processes where it meets the others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS", count)) // count)
    shared = {
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        **{"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)},
        **{"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": str(threads)},
    }
    return [
        {**os.environ, **shared, "RANK": str(index), "LOCAL_RANK": str(index)}
        for index in range(count)
    ]


def _start_worker(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", worker.__name__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _tell(process: subprocess.Popen[str], job: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has died already, which is noticed elsewhere
        process.stdin.write(f"{job}\n")
        process.stdin.flush()


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()


def _relay(process: subprocess.Popen[str], failures: list[dict[str, Any]]) -> None:
    """Pass on what a process has to tell; keep what it failed of."""
    assert process.stdout is not None
    for line in process.stdout:
        report = json.loads(line)
        if "failure" in report:
            failures.append(report)
        else:
            logger.log(report["level"], "%s", report["message"])


def _complain(codes: Sequence[int | None], failures: Sequence[Mapping[str, Any]]) -> None:
    """Say what went wrong first: what one process fails of makes the others fail, too."""
    for failure in failures:
        if failure["user_error"]:
            raise UserError(failure["failure"])
    for index, code in enumerate(codes):
        if code is not None and code < 0:
            raise UserError(
                f"process {index + 1} of the {len(codes)} that trained was killed "
                f"({signal.Signals(-code).name}), as happens where memory runs out; run it again, and it goes on from "
                "its last checkpoint, or lower training.processes or training.micro_batch"
            )
    if failures:
        raise RuntimeError(failures[0]["failure"])
    if any(codes):
        raise RuntimeError(f"the training processes ended with the exit statuses {codes}")
