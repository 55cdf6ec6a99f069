"""An interpreter with a stand-in in vLLM's place, which has the same address, key and answers, but no model."""

import sys
from pathlib import Path

from social_dilemmas.config.schema.training import Vllm


def fake_vllm(folder: Path) -> Vllm:
    """Settings with an interpreter that finds the stand-in where others find vLLM."""
    package = folder / "packages" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    source = Path(__file__).with_name("fake_vllm_server.py").read_text()
    (package / "api_server.py").write_text(source)
    python = folder / "python"
    path = f'PYTHONPATH="{folder}/packages:$PYTHONPATH"'
    python.write_text(f'#!/bin/sh\n{path} exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return Vllm(python=str(python), start_timeout=60.0, request_timeout=30.0)
