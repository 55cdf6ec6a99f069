"""What ranks do in tests; they import this file."""

import os
import time
from pathlib import Path

from social_dilemmas.run.ranks import Ranks


def fail_in_rank_1(error: Exception, ranks: Ranks) -> None:
    """The other rank fails, too, once this one has gone."""
    if ranks.rank == 1:
        raise error
    ranks.barrier()


def wait_in_rank_1(folder: Path, ranks: Ranks) -> None:
    """Both leave their process ids in the folder."""
    (folder / f"{ranks.rank}").write_text(str(os.getpid()))
    if ranks.rank == 1:
        time.sleep(1000)
    ranks.barrier()
