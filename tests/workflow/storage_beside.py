"""A storage of Snakemake for tests: a folder, from which jobs get copies of what is declared to be their input.

As the plugin `fs`, without `rsync`. Snakemake finds plugins by the names of packages, in the folder of a run too.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake_interface_storage_plugins.io import IOCacheStorageInterface
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectRead,
    StorageObjectTouch,
    StorageObjectWrite,
)
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    Operation,
    StorageProviderBase,
    StorageQueryValidationResult,
)


def copy(source: Path, target: Path) -> None:
    """A file or a folder, in place of what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)


class StorageProvider(StorageProviderBase):
    """Whatever the path, it is a path in the storage."""

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        return []

    def rate_limiter_key(self, query: str, operation: Operation) -> Any:
        return None

    def default_max_requests_per_second(self) -> float:
        return 0

    def use_rate_limiter(self) -> bool:
        return False

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        return StorageQueryValidationResult(query=query, valid=True)


class StorageObject(StorageObjectRead, StorageObjectWrite, StorageObjectTouch):
    """A file or a folder of the storage."""

    def __post_init__(self) -> None:
        self.path = Path(self.query)

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        pass

    def get_inventory_parent(self) -> None:
        return None

    def local_suffix(self) -> str:
        return str(self.query)

    def cleanup(self) -> None:
        pass

    def exists(self) -> bool:
        return self.path.exists()

    def mtime(self) -> float:
        stamp = self.path / ".snakemake_timestamp"  # of a folder
        return (stamp if stamp.exists() else self.path).stat().st_mtime

    def size(self) -> int:
        return 0 if self.path.is_dir() else self.path.stat().st_size

    def retrieve_object(self) -> None:
        copy(self.path, self.local_path())

    def store_object(self) -> None:
        copy(self.local_path(), self.path)

    def remove(self) -> None:
        shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink()

    def list_candidate_matches(self) -> Iterable[str]:
        return [str(path) for path in self.path.parent.rglob("*")]

    def touch(self) -> None:
        self.path.touch()
