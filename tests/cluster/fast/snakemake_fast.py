"""Snakemake, but the SLURM executor asks after jobs at least every two seconds.

After each time that nothing has ended, it waits ten seconds longer for the next, and no option changes that.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

seconds = RemoteExecutor.next_seconds_between_status_checks
RemoteExecutor.next_seconds_between_status_checks = property(
    seconds.fget, lambda self, value: seconds.fset(self, min(value, 2))
)

if __name__ == "__main__":
    sys.exit(main())
