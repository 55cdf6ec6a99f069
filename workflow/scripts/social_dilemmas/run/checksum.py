"""Checksums of files."""

import hashlib
from pathlib import Path


def checksum(path: Path, algorithm: str = "blake2b") -> str:
    """A hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
