"""Fetching models: from a folder, and from a server that answers as the Hugging Face hub does."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tests.unit.conftest import BaseOf, Published
from tests.unit.gguf_files import FILE, entry_of, write_file

from social_dilemmas.config.schema.models import HubModel
from social_dilemmas.errors import UserError
from social_dilemmas.policy import hub
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL, GATED = "somebody/tiny-model", "somebody/gated-model"
TOKEN = "hf_of_an_account_that_accepted"
WRONG_TOKEN = "hf_of_nobody"
REVISIONS = pytest.mark.parametrize("revision", [None, COMMIT])


@dataclass
class Hub:
    """What the stand-in serves, and what it was asked for."""

    folder: Path
    files_gated_only: bool = False  # as the hub does it: everybody may see which files there are
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, token: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a request."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        api = parts[:2] == ["api", "models"]
        name, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4:] if api else parts[2:]
        if token == f"Bearer {WRONG_TOKEN}":
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""
        if name not in (MODEL, GATED):
            if token is None:  # the hub doesn't tell strangers what is private and what isn't there
                return 401, {"X-Error-Message": "Invalid username or password."}, b""
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if (name == GATED and token != f"Bearer {TOKEN}") and (
            not api or not self.files_gated_only
        ):
            status = 401 if token is None else 403
            return status, {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"}, b""
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in (COMMIT, "main"):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if not api:
            content = (self.folder / "/".join(rest[2:])).read_bytes()
            etag = f'"{sha1(content).hexdigest()}"'
            return 200, {"X-Repo-Commit": COMMIT, "ETag": etag}, content
        if rest[0] == "tree":
            files = [
                {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
                for p in sorted(self.folder.iterdir())
            ]
            return 200, {}, json.dumps(files).encode()
        return 200, {}, json.dumps({"id": name, "sha": COMMIT, "siblings": []}).encode()


@pytest.fixture
def stand_in(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A hub on this machine, and an empty cache."""
    folder = tmp_path / "served"
    shutil.copytree(published("qwen2"), folder)
    (folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    (folder / "modeling.py").write_text("raise SystemExit\n")
    served = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            served.requests.append(path)
            status, headers, body = served.answer(path, self.headers.get("Authorization"))
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep the terminal clear."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": served.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": served.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    yield served
    server.shutdown()
    server.server_close()


def write(path: Path, source: object = MODEL, **given: Any) -> None:
    entry = HubModel(name="tiny", kind="hub", source=str(source), **given)
    write_base_model(entry, (), (), path)


def refused(path: Path, match: str, source: object = MODEL, **given: Any) -> None:
    """One sentence says why a model can't be had."""
    with pytest.raises(UserError, match=match) as caught:
        write(path, source, **given)
    assert str(caught.value).startswith("models[tiny]: ")
    assert "\n" not in str(caught.value)


def logits(path: Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(path, "cpu").model(torch.arange(9)[None]).logits
    return found


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_model_is_downloaded(
    stand_in: Hub, published: Published, tmp_path: Path, revision: str | None
) -> None:
    write(tmp_path / "base", revision=revision)
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    fetched = {path.rpartition("/")[2] for path in stand_in.requests if "/resolve/" in path}
    assert fetched >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert not fetched & {"pytorch_model.bin", "modeling.py"}
    assert all("/" + COMMIT + "/" in path for path in stand_in.requests if "/resolve/" in path)
    assert not [path for path in (tmp_path / "base").rglob("*") if path.is_symlink()]


def test_the_environment_s_hub_and_token_are_used(
    stand_in: Hub, published: Published, tmp_path: Path
) -> None:
    """As in a job: in a process of its own, which knows nothing but environment variables."""
    code = (
        "import sys; from pathlib import Path\n"
        "from social_dilemmas.config.schema.models import HubModel\n"
        "from social_dilemmas.policy.model import write_base_model\n"
        f"model = HubModel(name='tiny', kind='hub', source={GATED!r}, revision={COMMIT!r})\n"
        "write_base_model(model, (), (), Path(sys.argv[1]))"
    )
    scripts = str(Path(hub.__file__).parents[2])
    variables = {"HF_ENDPOINT": stand_in.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "base")],
        env={**os.environ, "PYTHONPATH": scripts, **variables},
        check=True,
    )
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    assert not [p for p in (tmp_path / "base").iterdir() if TOKEN in p.read_text(errors="replace")]


@REVISIONS
@pytest.mark.parametrize(
    ("source", "token", "expected"),
    [
        (GATED, None, "is gated: accept its licence at http.*, and set .* HF_TOKEN"),
        (GATED, "hf_of_somebody_else", "is gated: accept its licence at http.*/somebody/gated"),
        (GATED, WRONG_TOKEN, "doesn't know the token in the environment variable HF_TOKEN"),
        ("somebody/else", None, "no public model somebody/else on the hub"),
        ("somebody/else", TOKEN, "no public model somebody/else on the hub"),
    ],
)
@pytest.mark.parametrize("files_only", [True, False])
def test_what_an_account_may_not_have(
    stand_in: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    revision: str | None,
    source: str,
    token: str | None,
    expected: str,
    files_only: bool,
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    stand_in.files_gated_only = files_only
    refused(tmp_path / "base", expected, source, revision=revision)


@pytest.mark.parametrize("revision", ["v9", "f" * 40])
def test_a_revision_that_isn_t_there(stand_in: Hub, tmp_path: Path, revision: str) -> None:
    refused(tmp_path / "base", f"{MODEL} has no revision {revision} on the hub", revision=revision)


@pytest.mark.parametrize("source", ["./models/mine", "/nowhere/at/all", "~/models/mine/it"])
def test_a_folder_that_isn_t_there(stand_in: Hub, tmp_path: Path, source: str) -> None:
    refused(tmp_path / "base", f"there is no folder {source}", source)
    assert not stand_in.requests


@REVISIONS
def test_offline_a_model_comes_from_the_cache(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    forbidden = f"HF_HUB_OFFLINE forbids downloading it.* `hf download {MODEL}"
    refused(tmp_path / "base", forbidden, revision=revision)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    write(tmp_path / "online", revision=revision)
    stand_in.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    write(tmp_path / "base", revision=revision)
    assert torch.equal(logits(tmp_path / "base"), logits(tmp_path / "online"))
    assert not stand_in.requests


def test_a_file_of_the_format_gguf(stand_in: Hub, published: Published, tmp_path: Path) -> None:
    write_file(published("qwen2"), stand_in.folder / FILE)
    entry = entry_of(stand_in.folder, source=MODEL, revision=COMMIT)
    write_base_model(entry, (), (), tmp_path / "base")
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    fetched = {path.rpartition("/")[2] for path in stand_in.requests if "/resolve/" in path}
    assert fetched == {FILE}


@REVISIONS
def test_without_a_network(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    unreachable = f"can't be reached: connect to the network, or run `hf download {MODEL}"
    refused(tmp_path / "base", unreachable, revision=revision)


def test_a_hub_that_fails(stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "answer", lambda *_: (400, {}, b""))
    refused(tmp_path / "base", "can't be downloaded from the hub", revision=COMMIT)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def halve(folder: Path) -> None:
    """As an interrupted copy leaves it."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_a_layer(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = {key: value for key, value in load_file(path).items() if "layers.1" not in key}
    save_file(weights, path, {"format": "pt"})


def garble(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def ask_for_code(folder: Path) -> None:
    classes = {"AutoConfig": "c.C", "AutoModelForCausalLM": "c.M"}
    change_config(folder, model_type="mine", auto_map=classes)
    (folder / "c.py").write_text("raise SystemExit('ran')\n")


@pytest.mark.parametrize(
    "damage",
    [
        *map(remove, ("config.json", "model.safetensors", "tokenizer.json")),
        *(halve, lose_a_layer, garble, ask_for_code),
    ],
)
def test_a_folder_that_isn_t_complete(
    published: Published, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(published("qwen2"), folder)
    damage(folder)
    refused(tmp_path / "base", "is not a complete model directory", folder)


def test_a_model_without_a_chat_template(stand_in: Hub, tmp_path: Path) -> None:
    (stand_in.folder / "chat_template.jinja").unlink()
    refused(tmp_path / "base", "has no chat template: choose an instruction-tuned model")


def test_layers_that_aren_t_supported(stand_in: Hub, tmp_path: Path) -> None:
    change_config(stand_in.folder, layer_types=["full_attention", "chunked_attention"])
    refused(tmp_path / "base", "a model of type qwen2 can't be played turn by turn")


def test_a_full_disk_while_writing(stand_in: Hub, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").symlink_to("/dev/full")  # a file to which nothing can be written
    refused(base, f"no space is left on the disk of {base}")


DOWNLOAD = "huggingface_hub.file_download.http_get"
WRITE = "transformers.PreTrainedModel.save_pretrained"


@pytest.mark.parametrize(
    ("where", "error", "path"),
    [
        (DOWNLOAD, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "cache: .*HF_HOME"),
        (DOWNLOAD, RuntimeError("Data processing error: No space left on device"), "cache: "),
        (WRITE, SafetensorError("I/O error: No space left on device (os error 28)"), "base: "),
    ],
    ids=["by http", "by the hub's own protocol", "while writing weights"],
)
def test_a_full_disk_in_the_words_of_libraries(
    stand_in: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: Exception,
    path: str,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(where, full)
    refused(tmp_path / "base", f"no space is left on the disk of {tmp_path}/{path}")


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
@pytest.mark.parametrize("wanted", ["float32", "bfloat16", None])
def test_a_model_is_stored_in_the_dtype_that_was_asked_for(
    base_of: BaseOf, tmp_path: Path, stored: str, wanted: str | None
) -> None:
    source, model = tmp_path / "source", base_of("qwen2")
    LanguageModel(model.model.to(getattr(torch, stored)), model.chat, source).save(source)
    write(tmp_path / "base", source, dtype=wanted)
    numbers = getattr(torch, wanted or stored)
    weights = load_file(tmp_path / "base" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {numbers}
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    assert config["dtype"] == (wanted or stored)
    assert load_model(tmp_path / "base", "cpu").model.dtype == numbers
