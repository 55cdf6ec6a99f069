"""LoRA adapters as files: standard PEFT directories, bound to their base model."""

import json
from pathlib import Path

from peft import PeftModel

from social_dilemmas.errors import UserError
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.run.checksum import checksum

LEARNER = "default"  # PEFT's own name for an adapter that is saved at the top of its directory
NO_ADAPTER = "__base__"  # PEFT's name for rows of a batch that run without one
BASE_RECORD = "base_model.json"
CONFIG, WEIGHTS = FILES = ("adapter_config.json", "adapter_model.safetensors")


def save_adapter(model: PeftModel, base: Path, output: Path, name: str = LEARNER) -> None:
    """Write a learner's adapter as a PEFT directory, with checksums of its files and its base model's fingerprint."""
    model.save_pretrained(output, selected_adapters=[name])
    if name != LEARNER:  # PEFT has put it one folder deeper
        for path in (output / name).iterdir():
            path.rename(output / path.name)
        (output / name).rmdir()
    settings = json.loads((output / CONFIG).read_text())
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()  # PEFT keeps a set, whose order differs from run to run
    (output / CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (output / "README.md").unlink()  # PEFT's own is a form that nobody has filled in
    write_base_record(output, model_fingerprint(base))


def write_base_record(adapter: Path, fingerprint: str) -> None:
    """Record which base model an adapter belongs to, and what its files are."""
    files = {name: checksum(adapter / name) for name in FILES}
    record = {"fingerprint": fingerprint, "files": files}
    (adapter / BASE_RECORD).write_text(json.dumps(record, indent=1) + "\n")


def check_adapter(adapter: Path, base: Path) -> None:
    """Raise UserError if it isn't an adapter directory, is damaged, or was trained for another base model.

    PEFT itself only warns where weights are missing.
    """
    for name in (*FILES, BASE_RECORD):
        if not (adapter / name).is_file():
            raise UserError(f"{adapter}: not an adapter directory, {name} is missing")
    try:
        record = json.loads((adapter / BASE_RECORD).read_text())
        fingerprint, files = record["fingerprint"], record["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{adapter}: {BASE_RECORD} is damaged") from error
    for name in FILES:
        if files.get(name) != checksum(adapter / name):
            raise UserError(f"{adapter}: {name} is damaged, it isn't what was written")
    if fingerprint != model_fingerprint(base):
        raise UserError(f"{adapter}: this adapter was trained for another base model than {base}")
