"""What runs out in a training run, disk or memory, said in one sentence."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from social_dilemmas.errors import UserError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TRAINING_ADVICE = (
    "lower training.micro_batch_tokens, set training.activation_checkpointing to true, or raise "
    "training.world_size"
)
SAMPLING_ADVICE = "lower training.max_new_tokens, or raise training.world_size"


@contextmanager
def shortage_reported(output: Path, advice: str) -> Iterator[None]:
    """Turn a full disk and too little GPU memory into a `UserError`; `advice` says what to do where memory is short."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not disk_full(error):
            raise
        raise UserError(
            f"{output}: the disk is full, or your quota of it; make room and run it again: "
            "it goes on from its last checkpoint"
        ) from error
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{output}: there is too little GPU memory; {advice}, and run it again: "
            "it goes on from its last checkpoint"
        ) from error


def disk_full(error: BaseException | None) -> bool:
    """Whether a full disk, or quota of it, is what caused an error; libraries that write only say so in words."""
    if error is None:
        return False
    words = [f"os error {number}" for number in DISK_FULL] + [*map(os.strerror, DISK_FULL)]
    said = getattr(error, "errno", None) in DISK_FULL or any(each in str(error) for each in words)
    return said or disk_full(error.__cause__)
