"""Large files in two places at once."""

import os
import shutil
from contextlib import suppress


def link_weights(source: str, target: str) -> None:
    """Link weights where the file system can, since they may be large; copy everything else."""
    if source.endswith(".safetensors"):
        with suppress(OSError):  # on another file system, or one without links
            os.link(source, target)
            return
    shutil.copy2(source, target)
