"""GPUs of a machine for jobs that run there at the same time: each takes some that no other job has.

Snakemake's main process says which there are, in an environment variable that its jobs inherit. On a cluster it says
none, as each job gets GPUs of its own there.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SHARED, VISIBLE = "SOCIAL_DILEMMAS_GPUS", "CUDA_VISIBLE_DEVICES"
EVERY = 1.0  # seconds from one look for free GPUs to the next


def listed() -> list[str]:
    """The identifiers of this machine's NVIDIA GPUs, or of those that processes are told to see."""
    if VISIBLE in os.environ:
        return [each for each in os.environ[VISIBLE].split(",") if each]
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    found = subprocess.run(command, text=True, capture_output=True)
    return found.stdout.split() if found.returncode == 0 else []


@contextmanager
def reserved(count: int) -> Iterator[None]:
    """Let libraries that are imported later see so many shared GPUs that no other job has; wait until there are.

    Where fewer are shared, or none, nothing is reserved, and the job sees what there is.
    """
    gpus = [each for each in os.environ.get(SHARED, "").split(",") if each]
    if not 0 < count <= len(gpus):
        yield
        return
    before = os.environ.get(VISIBLE)
    with ExitStack() as locks:
        while len(taken := _taken(gpus, count, locks)) < count:
            locks.close()
            time.sleep(EVERY)
        os.environ[VISIBLE] = ",".join(taken)
        try:
            yield
        finally:
            os.environ.pop(VISIBLE)
            if before is not None:
                os.environ[VISIBLE] = before


def _taken(gpus: list[str], count: int, locks: ExitStack) -> list[str]:
    """The first free ones, `count` of them at most, whose locks are held until `locks` is closed."""
    taken = []
    for gpu in gpus:
        name = f"social-dilemmas-{os.getuid()}-{gpu.replace('/', '-')}.lock"
        file = os.open(Path(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT, 0o600)
        locks.callback(os.close, file)  # which gives the lock back, as the end of the process does
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        taken.append(gpu)
        if len(taken) == count:
            break
    return taken
