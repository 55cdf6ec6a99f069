"""Where vLLM is, which has an environment of its own."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from social_dilemmas.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[5]
OWN_ENVIRONMENT = REPOSITORY / ".venv-vllm" / "bin" / "python"  # made by `make vllm`


def find_python(chosen: str | None) -> str:
    """The interpreter that runs the server: the one chosen, the job's own if it has vLLM, or that of `make vllm`.

    Raises UserError if it isn't there, or has no vLLM.
    """
    if chosen is None and find_spec("vllm") is not None:
        return sys.executable
    python = Path(chosen).expanduser() if chosen else OWN_ENVIRONMENT
    test = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    with suppress(OSError):
        if subprocess.run([python, "-c", test], check=False, capture_output=True).returncode == 0:
            return str(python)
    if chosen:
        raise UserError(f"vllm.python: {chosen} is no interpreter with vLLM installed")
    raise UserError(
        "the sampler is vllm, but vLLM isn't installed: call `make vllm`, or start snakemake with --use-conda, "
        "or name an interpreter that has it in vllm.python"
    )


def check_vllm(jobs: Iterable[Mapping[str, Any]]) -> None:
    """Raise UserError if a job with these parameters is to start a server, and vLLM isn't where its settings say."""
    chosen = [job.get("settings") for job in jobs]
    samplers = [
        each for each in chosen if isinstance(each, Mapping) and each.get("sampler") == "vllm"
    ]
    own = [each["vllm"] for each in samplers if not each["vllm"].get("base_urls")]
    for python in {each.get("python") for each in own}:
        find_python(python)
