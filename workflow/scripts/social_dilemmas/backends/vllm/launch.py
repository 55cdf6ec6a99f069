"""Runs vLLM's API server in the server's interpreter, and ends it with the process that started it."""

import os
import runpy
import signal
from threading import Thread


def main() -> None:
    """Serve until standard input ends, which it does once the process at its other end has gone, however it ended."""
    Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)  # its own group, which `VllmServer` made: vLLM's processes, too


if __name__ == "__main__":
    main()
