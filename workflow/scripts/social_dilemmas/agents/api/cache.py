"""Responses of a chat server on disk: what was paid for once is never asked for again."""

import hashlib
import json
import sqlite3
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

from social_dilemmas.agents.api.server import Response
from social_dilemmas.errors import UserError

_TABLE = """
CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, ending TEXT NOT NULL)
"""


class ResponseCache:
    """An SQLite file with one row per response; several processes may use it at the same time."""

    def __init__(self, path: Path) -> None:
        """Raises UserError if the file can't be written, or isn't such a cache."""
        self.path = path
        self._execute(_TABLE)
        self.get("")

    def __len__(self) -> int:
        return int(self._execute("SELECT count(*) FROM responses")[0][0])

    def get(self, key: str) -> Response | None:
        """The response under a key, if there is one."""
        query = "SELECT text, prompt_tokens, completion_tokens, ending FROM responses WHERE key = ?"
        rows = self._execute(query, key)
        return Response(*rows[0]) if rows else None

    def put(self, key: str, response: Response) -> None:
        """Keep a response; once this returns, it survives a crash."""
        statement = "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?)"
        self._execute(statement, key, *astuple(response))

    @cached_property
    def _database(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=60, isolation_level=None)

    def _execute(self, statement: str, *values: str | int) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            message = f"{self.path} can't be used as a cache of responses: {error}"
            raise UserError(message) from None


def cache_key(*facts: Any) -> str:
    """A key that depends on every fact; facts consist of what JSON knows."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
