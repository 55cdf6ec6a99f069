"""Published folders: whole, the same agents, and usable where they lie."""

import errno
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM

from social_dilemmas.config.load import REPOSITORY, read_config
from social_dilemmas.config.settings import training_settings
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    check_adapter,
    put_adapter,
    save_adapter,
)
from social_dilemmas.policy.model import load_model, model_fingerprint
from social_dilemmas.report.publication.agents import TrainedAgent, trained_agents
from social_dilemmas.report.publication.folder import publish

TOKENS = torch.tensor([[3, 14, 15, 9, 2, 6]])
LICENCE = REPOSITORY / "LICENSE"


def logits(model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(TOKENS).logits
        return found


def small(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with one game, one seed, two algorithms, one ablation and a learner."""
    game = next(entry for entry in config["games"] if entry["name"] == "split")
    game = {**game, "exploitability": {"learners": {"naive": ["greedy"]}}}
    variant = {"name": "no_warm_start", "start": "base"}
    ablations = {"algorithm": "naive", "games": ["split"], "variants": [variant]}
    return {
        **config,
        "seeds": [7],
        "games": [game],
        "algorithms": config["algorithms"][:2],
        "ablations": ablations,
    }


def make_agent(config: Mapping[str, Any], results: Path, agent: TrainedAgent, number: int) -> None:
    """An agent of random weights, as a training leaves it."""
    base, folder = results / agent.base, results / agent.folder
    model = attach_learner(load_model(base, "cpu"), rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(number)
    weights = {
        key: torch.randn(value.shape, generator=generator) * 0.3
        for key, value in adapter_weights(model).items()
    }
    put_adapter(model, weights, LEARNER)
    record = {
        "seed": 7,
        "model": str(base),
        "game": {key: config["games"][0][key] for key in ("name", "rounds", "rules")},
        "settings": training_settings(config, "split", "naive"),
        "opponent": {"name": agent.opponent} if agent.opponent else None,
    }
    save_adapter(model, base, folder / "adapter", record)
    (folder / "config.yaml").write_text(yaml.safe_dump(record))
    (folder / "metrics.csv").write_text("iteration,payoff\n0,50\n1,61.25\n")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return small(read_config("smoke"))


@pytest.fixture(scope="module")
def made(
    config: dict[str, Any], base_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    results = tmp_path_factory.mktemp("made") / "results" / "smoke"
    shutil.copytree(base_model, results / "base" / "embedded")
    warm = results / "warm_start" / "split" / "embedded" / "model"
    shutil.copytree(base_model, warm)
    edited = load_model(warm, "cpu")
    with torch.no_grad():
        for parameter in edited.model.parameters():
            parameter.mul_(1.5)
    edited.save(warm)
    (warm / ".snakemake_timestamp").touch()
    for number, agent in enumerate(trained_agents(config)):
        make_agent(config, results, agent, number)
    (results / "tables").mkdir()
    (results / "figures").mkdir()
    (results / "figures" / "cross_play.pdf").write_bytes(b"a figure")
    keys = {"model": "embedded", "game": "split", "agent": "naive", "low": 1.0, "high": 2.0}
    scores = [
        {**keys, "opponent": "greedy", "seed_relation": "all", "quantity": "payoff", "mean": 81.25}
    ]
    claims = [
        {**keys, "claim": "C1", "opponent": "itself", "quantity": "points a round", "value": 82.5}
        | {"bound": "<= 90", "aim": False, "holds": True}
    ]
    pd.DataFrame(scores).to_csv(results / "tables" / "cross_play.csv")
    pd.DataFrame(claims).to_csv(results / "tables" / "claims.csv")
    return results


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    """A copy to be edited."""
    return Path(shutil.copytree(made, tmp_path / "results" / "smoke"))


@pytest.fixture(scope="module")
def published(config: dict[str, Any], made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was published, somewhere else."""
    output = tmp_path_factory.mktemp("out") / "publish"
    adapters = publish(config, made, LICENCE, output)
    assert len(adapters) == len(list(trained_agents(config))) == 4
    return Path(shutil.copytree(output, tmp_path_factory.mktemp("elsewhere") / "copy"))


def agent_folders(config: Mapping[str, Any]) -> list[Path]:
    return [agent.folder for agent in trained_agents(config)]


def test_all_files_are_listed_and_whole(published: Path) -> None:
    def checked() -> bool:
        command = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
        return subprocess.run(command, cwd=published, capture_output=True).returncode == 0

    listed = {line.split("  ")[1] for line in (published / "SHA256SUMS").read_text().splitlines()}
    files = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
    assert files == {*listed, "SHA256SUMS"}
    assert {"README.md", "LICENSE", "config.yaml", "versions.csv"} <= files
    assert {"tables/claims.csv", "figures/cross_play.pdf"} <= files
    assert not any("snakemake_timestamp" in name for name in files)
    assert checked()
    licence = published / "LICENSE"
    text = licence.read_text()
    licence.write_text(text + " ")
    assert not checked()
    licence.write_text(text)


def test_the_card_s_own_code_gives_the_same_agent(
    config: dict[str, Any], made: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published)
    seen = []
    for agent in trained_agents(config):
        base = AutoModelForCausalLM.from_pretrained(made / agent.base)
        trained = PeftModel.from_pretrained(base, str(made / agent.folder / "adapter"))
        card = Path("adapters", agent.folder, "README.md").read_text()
        found: dict[str, Any] = {}
        exec(card.split("```python\n")[1].split("```")[0], found)
        assert torch.equal(logits(found["model"]), logits(trained)), agent.folder
        assert found["tokenizer"].vocab_size > 0
        seen.append(logits(trained))
    assert all((one - other).abs().max() > 0.01 for one, other in pairwise(seen))


def test_adapters_find_their_base_model_by_themselves(
    config: dict[str, Any], made: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published)
    agent = next(trained_agents(config))
    base = AutoModelForCausalLM.from_pretrained(made / agent.base)
    trained = PeftModel.from_pretrained(base, str(made / agent.folder / "adapter"))
    found = AutoPeftModelForCausalLM.from_pretrained(f"adapters/{agent.folder}")
    assert torch.equal(logits(found), logits(trained))


def test_copies_are_adapters_of_the_copied_models(config: dict[str, Any], published: Path) -> None:
    for folder in agent_folders(config):
        adapter = published / "adapters" / folder
        settings = json.loads((adapter / "adapter_config.json").read_text())
        check_adapter(adapter, published / settings["base_model_name_or_path"])
    assert (published / "models/warm_start/split/embedded/model.safetensors").is_file()
    assert (published / "models/base/embedded/README.md").is_file()


def test_weights_are_untouched(config: dict[str, Any], made: Path, published: Path) -> None:
    for folder in agent_folders(config):
        copied = (published / "adapters" / folder / "adapter_model.safetensors").read_bytes()
        assert copied == (made / folder / "adapter" / "adapter_model.safetensors").read_bytes()


def test_nothing_tells_where_it_was_made(made: Path, published: Path) -> None:
    for path in published.rglob("*"):
        if path.suffix in (".md", ".json", ".csv"):
            assert str(made.parents[1]) not in path.read_text(), path


def test_vllm_s_conditions_hold(config: dict[str, Any], published: Path) -> None:
    """What its loader of LoRA directories asks of files, settings and names of weights."""
    layer = re.compile(
        r"base_model\.model\.model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
        r"\.lora_[AB]\.weight"
    )
    for folder in agent_folders(config):
        adapter = published / "adapters" / folder
        settings = json.loads((adapter / "adapter_config.json").read_text())
        assert {settings["bias"], settings["modules_to_save"]} == {"none", None}
        assert not settings["use_dora"]
        assert not settings["rank_pattern"]
        assert isinstance(settings["target_modules"], list)
        assert (settings["r"], settings["lora_alpha"]) == (2, 8)
        assert not list(adapter.glob("*.bin"))
        with safe_open(adapter / "adapter_model.safetensors", "pt") as weights:
            assert all(layer.fullmatch(name) for name in weights.keys())  # noqa: SIM118


def test_cards_hold_scores(config: dict[str, Any], published: Path) -> None:
    naive, other, learner, variant = (
        (published / "adapters" / folder / "README.md").read_text()
        for folder in agent_folders(config)
    )
    assert "| Greedy | 81.2 [1.00, 2.00] |" in naive
    assert "| C1 | Itself | points a round | 82.5 [1.00, 2.00] | <= 90 | yes |" in naive
    for card in (naive, other, learner, variant):
        assert "In the last 1 of 2 iterations this adapter got 61.2 points a round." in card
    assert "81.2" not in other + learner + variant
    assert "# Naive RL learner in Split, seed 7" in learner
    assert "against Greedy" in learner


def test_the_front_page_names_every_agent(config: dict[str, Any], published: Path) -> None:
    page = (published / "README.md").read_text()
    for folder in agent_folders(config):
        assert f"`adapters/{folder.parent}/`" in page


def test_a_model_of_the_hub_is_named_and_not_copied(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    hub = {"name": "embedded", "kind": "hub", "source": "someone/a-model", "revision": "abc"}
    game = {**config["games"][0], "warm_start": {**config["games"][0]["warm_start"], "steps": 0}}
    publish({**config, "models": [hub], "games": [game]}, results, LICENCE, tmp_path / "out")
    assert not (tmp_path / "out" / "models").exists()
    fingerprint = model_fingerprint(results / "base" / "embedded")
    for folder in agent_folders(config):
        adapter = tmp_path / "out" / "adapters" / folder
        settings = json.loads((adapter / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == "someone/a-model"
        assert settings["revision"] == "abc"
        record = json.loads((adapter / "base_model.json").read_text())
        assert record["fingerprint"] == fingerprint


def test_a_warm_started_model_of_the_hub_is_copied(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    hub = {"name": "embedded", "kind": "hub", "source": "someone/a-model"}
    publish({**config, "models": [hub]}, results, LICENCE, tmp_path / "out")
    model = tmp_path / "out/models/warm_start/split/embedded"
    assert (model / "model.safetensors").is_file()
    for card in (model / "README.md", tmp_path / "out" / "README.md"):
        assert "license_link: https://huggingface.co/someone/a-model\n" in card.read_text()
    assert not (tmp_path / "out/models/base").exists()


def test_the_language_model_of_one_that_sees_is_copied(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    hub = {"name": "embedded", "kind": "hub", "source": "someone/a-model"}
    game = {**config["games"][0], "warm_start": {**config["games"][0]["warm_start"], "steps": 0}}
    for base in {results / agent.base for agent in trained_agents(config)}:
        file = base / "config.json"
        file.write_text(file.read_text().replace('"model_type": "qwen2"', '"model_type": "x_text"'))
    for agent in trained_agents(config):
        record = results / agent.folder / "adapter" / "base_model.json"
        facts = json.loads(record.read_text())
        record.write_text(
            json.dumps({**facts, "fingerprint": model_fingerprint(results / agent.base)})
        )
    publish({**config, "models": [hub], "games": [game]}, results, LICENCE, tmp_path / "out")
    for folder in agent_folders(config):
        text = (tmp_path / "out" / "adapters" / folder / "adapter_config.json").read_text()
        assert (tmp_path / "out" / json.loads(text)["base_model_name_or_path"]).is_dir()


def refused(config: Mapping[str, Any], results: Path, output: Path) -> str:
    with pytest.raises(UserError) as error:
        publish(config, results, LICENCE, output)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_isn_t_there_can_t_be_published(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    said = refused(config, tmp_path / "nothing", tmp_path / "out")
    assert said == (
        f"{tmp_path / 'nothing'}: there are no results to publish; make them first: "
        "make results SCALE=smoke"
    )
    (results / "tables" / "claims.csv").unlink()
    assert "tables/claims.csv is missing" in refused(config, results, tmp_path / "out")
    shutil.rmtree(results / "training/split/embedded/naive")
    assert "only 1 of 2 agents are trained" in refused(config, results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_further_experiments_may_be_missing(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    shutil.rmtree(results / "ablations")
    shutil.rmtree(results / "exploitability")
    assert len(publish(config, results, LICENCE, tmp_path / "out")) == 2


def test_a_damaged_adapter_leaves_what_was_published_before(
    config: dict[str, Any], results: Path, tmp_path: Path
) -> None:
    publish(config, results, LICENCE, tmp_path / "out")
    before = (tmp_path / "out" / "SHA256SUMS").read_text()
    weights = results / "training/split/embedded/naive/seed-7/adapter/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "damaged" in refused(config, results, tmp_path / "out")
    assert (tmp_path / "out" / "SHA256SUMS").read_text() == before
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("function", ["copyfile", "copy2"])
def test_a_full_disk_is_one_sentence(
    function: str,
    config: dict[str, Any],
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, function, full)
    said = refused(config, results, tmp_path / "out")
    assert said.startswith(f"{tmp_path / 'out'}: it can't be written (")
    assert "No space left on device)" in said
    assert len(said) < len(str(tmp_path)) + 100
    assert not list(tmp_path.glob("out*"))
