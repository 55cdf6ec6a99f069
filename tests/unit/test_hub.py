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
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load_file

from social_dilemmas.errors import UserError
from social_dilemmas.policy import hub
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model

if TYPE_CHECKING:
    from tests.unit.conftest import BaseOf, Published

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "f" * 40
MODEL = "somebody/tiny-model"
GATED = "somebody/gated-model"
TOKEN = "hf_of_an_account_that_accepted"
WRONG_TOKEN = "hf_of_nobody"


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
        if rest and rest[0] == "tree":
            files = [
                {
                    "type": "file",
                    "path": path.name,
                    "size": path.stat().st_size,
                    "oid": sha1(path.read_bytes()).hexdigest(),
                }
                for path in sorted(self.folder.iterdir())
            ]
            return 200, {}, json.dumps(files).encode()
        return 200, {}, json.dumps({"id": name, "sha": COMMIT, "siblings": []}).encode()


@pytest.fixture
def stand_in(
    published: "Published", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Keep the terminal clear."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", served.url)
    template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield served
    server.shutdown()
    server.server_close()


def entry(source: object = MODEL, **more: Any) -> dict[str, Any]:
    return {"name": "tiny", "kind": "hub", "source": str(source), **more}


def refused(path: Path, match: str, source: object = MODEL, **more: Any) -> str:
    """The one sentence that tells why a model can't be had."""
    with pytest.raises(UserError, match=match) as caught:
        write_base_model(entry(source, **more), (), (), path)
    sentence = str(caught.value)
    assert sentence.startswith("models[tiny]: ")
    assert "\n" not in sentence
    return sentence


def logits(path: Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(path, "cpu").model(torch.arange(9)[None]).logits
    return found


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_model_is_downloaded(
    stand_in: Hub, published: "Published", tmp_path: Path, revision: str | None
) -> None:
    more = {"revision": revision} if revision else {}
    write_base_model(entry(**more), (), (), tmp_path / "base")
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    fetched = {path.rpartition("/")[2] for path in stand_in.requests if "/resolve/" in path}
    assert fetched >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert not fetched & {"pytorch_model.bin", "modeling.py"}
    assert all("/" + COMMIT + "/" in path for path in stand_in.requests if "/resolve/" in path)
    assert not [path for path in (tmp_path / "base").rglob("*") if path.is_symlink()]


def test_the_environment_s_hub_and_token_are_used(
    stand_in: Hub, published: "Published", tmp_path: Path
) -> None:
    """As a job runs it: in a process of its own, told by environment variables only."""
    code = (
        "import sys; from pathlib import Path\n"
        "from social_dilemmas.policy.model import write_base_model\n"
        f"write_base_model({entry(GATED, revision=COMMIT)!r}, (), (), Path(sys.argv[1]))"
    )
    scripts = str(Path(hub.__file__).parents[2])
    variables = {"HF_ENDPOINT": stand_in.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "base")],
        env={**os.environ, "PYTHONPATH": scripts, **variables},
        check=True,
    )
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    assert TOKEN not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "base").iterdir()
    )


@pytest.mark.parametrize("token", [None, "hf_of_somebody_else"])
@pytest.mark.parametrize("revision", [None, COMMIT])
@pytest.mark.parametrize("files_only", [True, False])
def test_a_gated_model_needs_a_licence_and_a_token(
    stand_in: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    revision: str | None,
    files_only: bool,
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    stand_in.files_gated_only = files_only
    more = {"revision": revision} if revision else {}
    sentence = refused(tmp_path / "base", "is gated: accept its licence at", GATED, **more)
    assert f"{stand_in.url}/{GATED}" in sentence
    assert "HF_TOKEN" in sentence


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_token_that_isn_t_one(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRONG_TOKEN)
    more = {"revision": revision} if revision else {}
    refused(tmp_path / "base", "doesn't know the token in the environment", GATED, **more)


@pytest.mark.parametrize("revision", ["v9", OTHER_COMMIT])
def test_a_revision_that_isn_t_there(stand_in: Hub, tmp_path: Path, revision: str) -> None:
    refused(tmp_path / "base", f"{MODEL} has no revision {revision} on the hub", revision=revision)


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_model_that_isn_t_there(
    stand_in: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    revision: str | None,
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    more = {"revision": revision} if revision else {}
    refused(tmp_path / "base", "no public model somebody/else on the hub", "somebody/else", **more)


@pytest.mark.parametrize("source", ["./models/mine", "/nowhere/at/all", "~/models/mine/it"])
def test_a_folder_that_isn_t_there(stand_in: Hub, tmp_path: Path, source: str) -> None:
    refused(tmp_path / "base", f"there is no folder {source}", source)
    assert not stand_in.requests


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_offline_a_model_comes_from_the_cache(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    more = {"revision": revision} if revision else {}
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    sentence = refused(tmp_path / "base", "HF_HUB_OFFLINE forbids to download it", **more)
    assert f"hf download {MODEL}" in sentence
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    write_base_model(entry(**more), (), (), tmp_path / "online")
    stand_in.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    write_base_model(entry(**more), (), (), tmp_path / "base")
    assert torch.equal(logits(tmp_path / "base"), logits(tmp_path / "online"))
    assert not stand_in.requests


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_without_a_network(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    more = {"revision": revision} if revision else {}
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    sentence = refused(tmp_path / "base", "can't be reached: connect to the network", **more)
    assert f"hf download {MODEL}" in sentence


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
    from safetensors.torch import save_file

    path = folder / "model.safetensors"
    weights = {key: value for key, value in load_file(path).items() if "layers.1" not in key}
    save_file(weights, path, {"format": "pt"})


def garble(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def ask_for_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "c.C", "AutoModelForCausalLM": "c.M"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "c.py").write_text("raise SystemExit('ran')\n")


@pytest.mark.parametrize(
    "damage",
    [
        remove("config.json"),
        remove("model.safetensors"),
        remove("tokenizer.json"),
        halve,
        lose_a_layer,
        garble,
        ask_for_code,
    ],
)
def test_a_folder_that_isn_t_complete(
    stand_in: Hub, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(stand_in.folder, folder)
    (folder / "pytorch_model.bin").unlink()
    damage(folder)
    refused(tmp_path / "base", "is not a complete model directory", folder)


def test_a_model_without_a_chat_template(stand_in: Hub, tmp_path: Path) -> None:
    (stand_in.folder / "chat_template.jinja").unlink()
    refused(tmp_path / "base", "has no chat template: choose an instruction-tuned model")


def test_layers_that_aren_t_supported(stand_in: Hub, tmp_path: Path) -> None:
    path = stand_in.folder / "config.json"
    config = json.loads(path.read_text())
    config["layer_types"] = ["full_attention", "chunked_attention"]
    path.write_text(json.dumps(config))
    refused(tmp_path / "base", "layers of chunked_attention, which aren't supported")


def test_a_full_disk_while_writing(stand_in: Hub, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").symlink_to("/dev/full")  # a file to which nothing can be written
    refused(base, f"no space is left on the disk of {base}")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("Data processing error: No space left on device (os error 28)"),
    ],
    ids=["by http", "by the hub's own protocol"],
)
def test_a_full_disk_while_downloading(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    sentence = refused(tmp_path / "base", f"no space is left on the disk of {tmp_path / 'cache'}")
    assert "HF_HOME" in sentence


def test_a_full_disk_in_the_words_of_the_library_of_weights(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(LanguageModel, "save", full)
    refused(tmp_path / "base", "no space is left on the disk of")


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
@pytest.mark.parametrize("wanted", ["float32", "bfloat16", None])
def test_a_model_is_kept_in_the_numbers_that_were_asked_for(
    base_of: "BaseOf", tmp_path: Path, stored: str, wanted: str | None
) -> None:
    source = tmp_path / "source"
    language_model = base_of("qwen2")
    LanguageModel(
        language_model.model.to(getattr(torch, stored)), language_model.chat, source
    ).save(source)
    write_base_model(entry(source, dtype=wanted), (), (), tmp_path / "base")
    numbers = getattr(torch, wanted or stored)
    weights = load_file(tmp_path / "base" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {numbers}
    assert json.loads((tmp_path / "base" / "config.json").read_text())["dtype"] == (
        wanted or stored
    )
    assert load_model(tmp_path / "base", "cpu").model.dtype == numbers
