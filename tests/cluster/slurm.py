"""A real SLURM of one node, for tests: munge, MariaDB, slurmdbd, slurmctld and slurmd, as root, without systemd.

All of it is in a folder, except /etc/slurm, where the commands of SLURM look for their configuration. The daemons
are children of the tests and end with them. Its two GPUs are pretended: they can be scheduled, but not computed with.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge", "slurmdbd", "mariadb-server")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "slurmdbd", "mariadbd", "mariadb-install-db")
CONFIGURATION = Path("/etc/slurm")
ENDS_WITH_THE_TESTS = ("setpriv", "--pdeathsig", "KILL")  # what stands before a command that does
MARK = "# Written by tests/cluster/slurm.py for a cluster that is gone when the tests are.\n"

SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/slurmd
StateSaveLocation={folder}/slurmctld
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdTimeout=10
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5,sched_min_interval=0
DefMemPerCPU=500
MinJobAge=300
KillWait=5
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu,gres/gpu:pretended
AccountingStoreFlags=job_comment
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:pretended:2
PartitionName=main Nodes=ALL Default=YES MaxTime=2:00:00 DefaultTime=0:10:00
PartitionName=gpu Nodes=ALL MaxTime=2:00:00 DefaultTime=0:10:00
"""

# Without a file each, the node would be drained.
GPUS = """
AutoDetect=off
NodeName={host} Name=gpu Type=pretended File=/dev/null
NodeName={host} Name=gpu Type=pretended File=/dev/zero
"""

ACCOUNTING = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[2]}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[3]}
StorageUser=root
StorageLoc=accounting
"""
FILES = {"slurm.conf": SLURM, "gres.conf": GPUS, "slurmdbd.conf": ACCOUNTING}


class ClusterError(Exception):
    """There can be no cluster here; the message says why."""


def check_machine() -> None:
    """See whether a cluster can be started here, after installing what is missing where that is allowed.

    Raises:
        ClusterError: it can't.
    """
    written = CONFIGURATION / "slurm.conf"
    if written.exists() and not written.read_text().startswith(MARK):
        raise ClusterError(f"this machine has a SLURM of its own ({written})")
    if os.geteuid() != 0:
        raise ClusterError("a SLURM can only be started by root, such as in a container")
    if _missing() and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update"], install):
            subprocess.run(command, env=environment, capture_output=True, check=False)
    if missing := _missing():
        raise ClusterError(
            f"SLURM is not installed ({', '.join(missing)}): apt-get install {' '.join(PACKAGES)}"
        )


def _missing() -> list[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Ask again and again; AssertionError if the condition isn't met in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.05)


def said(*command: str) -> str:
    """What a command prints; nothing if it fails."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else ""


def job_processes(job: str = "", command: str = "") -> list[int]:
    """Process ids of all jobs, or of one, whose command line holds a text; with what supervises them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        own = f"SLURM_JOB_ID={job}".encode()
        supervises = line.startswith(f"slurmstepd: [{job}{'.' if job else ''}")
        runs = b"SLURM_CLUSTER_NAME=test" in variables and (own in variables if job else True)
        if (supervises or runs) and command in line:
            found.append(int(folder.name))
    return found


def kill(process: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


class Cluster:
    """The cluster; `start` and `stop` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._host = socket.gethostname().split(".")[0]
        self._ports = _free_ports(4)

    def start(self) -> None:
        """Write the configuration and start all daemons, each when those before it answer."""
        for name in ("slurmd", "slurmctld", "database"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._configure()
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = ("socket", "key-file", "pid-file", "seed-file", "log-file")
        munge = [f"--{name}={self._folder}/munge.{name.removesuffix('-file')}" for name in files]
        self._run("munged", "--foreground", "--force", *munge)
        database = f"--datadir={self._folder}/database"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", database, "--skip-test-db"],
            capture_output=True,
            check=True,
        )
        self._run(
            "mariadbd", "--no-defaults", "--user=root", database, "--skip-grant-tables",
            "--bind-address=127.0.0.1", f"--port={self._ports[3]}",
            f"--socket={self._folder}/database.socket", "--innodb-buffer-pool-size=64M",
        )  # fmt: skip
        self._wait_until(lambda: _answers(self._ports[3]), "the database answers")
        self._run("slurmdbd", "-D")
        self._wait_until(lambda: _answers(self._ports[2]), "slurmdbd answers")
        self._run("slurmctld", "-D")
        self._wait_until(lambda: "UP" in said("scontrol", "ping"), "slurmctld answers")
        self.start_node()
        # Only then is no job forgotten by the accounting.
        known = partial(said, "sacctmgr", "--noheader", "list", "cluster")
        self._wait_until(lambda: "test" in known(), "the accounting knows the cluster")

    def start_node(self) -> None:
        """Start the node's daemon and wait until it takes jobs."""
        self._run("slurmd", "-D")
        state = partial(said, "sinfo", "--noheader", "--format=%t", "--partition=main")
        self._wait_until(lambda: state() in ("idle", "mix", "alloc"), "the node takes jobs")

    def break_node(self) -> None:
        """Let the node fail: its daemon, and all processes of its jobs, are killed."""
        node = self._daemons.pop("slurmd")
        node.kill()
        node.wait()
        for process in job_processes():
            kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """Stop all daemons, the last that was started first, and remove the configuration."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=10, check=False)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait while all daemons are alive; AssertionError with the last words of one that isn't."""

        def met() -> bool:
            for name, daemon in self._daemons.items():
                last = (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]
                assert daemon.poll() is None, f"{name} has ended: {last}"
            return condition()

        wait_until(met, what)

    def _configure(self) -> None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 1024
        values = {"host": self._host, "folder": self._folder, "ports": self._ports}
        values |= {"cpus": os.cpu_count(), "memory": memory}
        CONFIGURATION.mkdir(exist_ok=True)
        for name, text in FILES.items():
            file = CONFIGURATION / name
            file.write_text(MARK + text.format(**values))
            file.chmod(0o600 if text is ACCOUNTING else 0o644)

    def _run(self, *command: str) -> None:
        """Start a daemon that is killed when the tests end, however they do."""
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        with (self._folder / f"{command[0]}.log").open("ab") as log:
            self._daemons[command[0]] = subprocess.Popen(
                [*ENDS_WITH_THE_TESTS, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": path},
                cwd=self._folder,
                start_new_session=True,
            )


def _free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":  # says whether a cluster can be started here
    try:
        check_machine()
    except ClusterError as error:
        raise SystemExit(str(error)) from None
