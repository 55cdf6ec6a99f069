"""Players behind servers of a test, which wait for nothing."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from tests.unit.api.calls import KEY, VARIABLE, Make
from tests.unit.replying_server import ReplyingServer, says


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv(VARIABLE, KEY)
    with ReplyingServer() as server:
        server.does(says("<A>"))
        yield Make(server, tmp_path / "cache" / "remote.sqlite")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client waits before its retries, which takes no time."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(anyio, "sleep", wait)
    return waits
