"""Serves the page on this machine, and what it asks for; nothing is ever written."""

import errno
import json
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from social_dilemmas.config import paths
from social_dilemmas.errors import UserError
from social_dilemmas.report.pages.page import filled
from social_dilemmas.report.pages.transcript import transcript_page
from social_dilemmas.report.watch.jobs import progress
from social_dilemmas.report.watch.runs import Curves, found, transcript, transcripts

HERE = "127.0.0.1"
PORTS = 20  # that are tried, from the first one on


class Answers(BaseHTTPRequestHandler):
    """Answers a request: `/` the page, `/state` what it shows, `/transcripts/...` a pair's transcripts."""

    def __init__(self, results: Path, curves: Curves, *connection: Any) -> None:
        self._results, self._curves = results, curves
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer a request; not one by another name, which a page from elsewhere has given this machine."""
        address = urlsplit(self.path)
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        content = None
        if host in (HERE, "localhost"):
            content = self._content(unquote(address.path), parse_qs(address.query))
        kind, text = content or ("text/plain", "There is nothing here.\n")
        body = text.encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _content(self, path: str, query: dict[str, list[str]]) -> tuple[str, str] | None:
        """Type and text of an answer; None where there is nothing."""
        if path == "/":
            return "text/html", filled("watch/page.html.jinja", scale=self._results.name)
        if path == "/state":
            (metric,) = query.get("metric", ["payoff"])[:1]
            state = {
                "jobs": progress(self._results),
                **self._curves.shown(metric),
                "transcripts": transcripts(self._results),
            }
            return "application/json", json.dumps(state)
        for file, names in found(self._results, f"{paths.TRANSCRIPT}.json"):
            told = transcript(file) if path == "/" + paths.TRANSCRIPT.format(**names) else None
            if told:
                page = transcript_page(told)
                return "text/html", filled("transcript.html.jinja", model=names["model"], **page)
        return None

    def log_message(self, *_: Any) -> None:
        """Requests aren't worth a line."""


def server(results: Path, port: int) -> ThreadingHTTPServer:
    """A server of the page at a port, or at one of the next where it is taken.

    Raises:
        UserError: all of them are.
    """
    answers = partial(Answers, results, Curves(results))
    for free in range(port, port + PORTS):
        try:
            made = ThreadingHTTPServer((HERE, free), answers)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            made.daemon_threads = True
            return made
    raise UserError(
        f"the ports from {port} to {port + PORTS - 1} are all taken: name another by PORT="
    )
