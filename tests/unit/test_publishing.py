"""Published folders: whole, the same agents, and usable where they lie."""

import errno
import json
import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file
from tests.unit.mixed_adapters import random_policy
from torch import Tensor
from transformers import AutoModelForCausalLM

from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.section import Section
from social_dilemmas.config.settings import training_settings
from social_dilemmas.config.trainings import Trained, trainings
from social_dilemmas.errors import UserError
from social_dilemmas.policy import adapters
from social_dilemmas.policy.model import load_model, model_fingerprint
from social_dilemmas.report.publishing.folder import publish

Agents = list[Trained]
Folders = pytest.TempPathFactory

LAYER = re.compile(
    r"base_model\.model\.model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
    r"\.lora_[AB]\.weight"
)

FILES = {
    "figures/cross_play.pdf": "a figure",
    "tables/cross_play.csv": "game,model,agent,opponent,seed_relation,quantity,mean,low,high\n"
    "split,embedded,naive,greedy,all,payoff,81.25,1.0,2.0\n"
    "split,embedded,naive,naive,same seed,payoff,52.5,1.0,2.0\n"
    "split,embedded,naive,naive,other seed,payoff,27.5,1.0,2.0\n"
    "split,embedded,naive,naive,all,payoff,40,1.0,2.0\n",
    "tables/claims.csv": "game,model,agent,opponent,role,condition,claim,quantity,compared_to,value,low,high,bound,"
    "share_of_seeds,seeds,seeds_holding,kind,holds\n"
    "split,embedded,naive,itself,itself,,C1,points a round,,82.5,1.0,2.0,<= 90,0.9,3,3,,True\n",
}


def as_said(section: Section) -> dict[str, Any]:
    """A section of the configuration with the keys that its file gives."""
    said: dict[str, Any] = section.model_dump(exclude_unset=True)
    return said


def changed(config: Config, **sections: Any) -> Config:
    return Config(**{**as_said(config), **sections})


def publish_results(config: Config, results: Path) -> Path:
    """Publish as `make publish` does."""
    output = results / "publish"
    listed = publish(config, results, REPOSITORY / "LICENSE", output)
    found = [path.parent for path in output.rglob("adapter_config.json")]
    assert sorted(found) == sorted(output / adapter for adapter in listed)
    return output


def logits(model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(torch.tensor([[3, 14, 15, 9, 2, 6]])).logits
        return found


@pytest.fixture(scope="module")
def config() -> Config:
    """One game, one seed, two algorithms, one ablation and a learner."""
    config = load_scale("smoke")
    split, *algorithms = map(as_said, (config.game("split"), *config.algorithms[:2]))
    variant = {"name": "no_warm_start", "start": "base"}
    return changed(
        config,
        seeds=[7],
        games=[{**split, "exploitability": {"learners": {"naive": ["greedy"]}}}],
        algorithms=algorithms,
        ablations={"algorithm": "naive", "games": ["split"], "variants": [variant]},
        rivals={},
    )


@pytest.fixture(scope="module")
def agents(config: Config) -> Agents:
    return list(trainings(config))


@pytest.fixture
def of_hub(config: Config) -> Config:
    """The configuration with a model of the hub that isn't trained before its agents are."""
    hub = {"name": "embedded", "kind": "hub", "source": "someone/a-model", "revision": "abc"}
    game = as_said(config.games[0])
    game["warm_start"] = {**game.get("warm_start", {}), "steps": 0}
    return changed(config, models=[hub], games=[game])


def make_agent(config: Config, results: Path, agent: Trained, seed: int) -> None:
    """An agent of random weights, as a training leaves it."""
    base, folder = results / agent.base, results / agent.folder
    policy = random_policy(base, seed=seed)
    adapters.save_adapter(policy.model, base, folder / "adapter")
    run = {
        "seed": 7,
        "model": str(base),
        "game": config.game("split").entry,
        "settings": training_settings(config, "split", "naive").plain(),
        "opponent": {"name": agent.opponent} if agent.opponent else None,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(run))
    (folder / "metrics.csv").write_text("iteration,payoff\n0,50\n1,61.25\n")


@pytest.fixture(scope="module")
def made(config: Config, agents: Agents, base_model: Path, tmp_path_factory: Folders) -> Path:
    """Results, in which the warm-started model differs from the base model."""
    results = tmp_path_factory.mktemp("made") / "results" / "smoke"
    warm = results / "warm_start" / "split" / "embedded" / "model"
    for model in (results / "base" / "embedded", warm):
        shutil.copytree(base_model, model)
    edited = load_model(warm, "cpu")
    for parameter in edited.model.parameters():
        parameter.data.mul_(1.5)
    edited.save(warm)
    (warm / ".snakemake_timestamp").touch()
    for number, agent in enumerate(agents):
        make_agent(config, results, agent, number)
    for name, text in FILES.items():
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).write_text(text)
    return results


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    """A copy to be edited."""
    return Path(shutil.copytree(made, tmp_path / "results" / "smoke"))


@pytest.fixture(scope="module")
def published(config: Config, made: Path, tmp_path_factory: Folders) -> Path:
    """What was published, moved somewhere else."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    return Path(shutil.move(publish_results(config, made), elsewhere))


def adapter_settings(adapter: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text())
    return settings


def test_all_files_are_listed_and_tell_nothing_of_this_machine(made: Path, published: Path) -> None:
    command = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    subprocess.run(command, cwd=published, check=True)
    listed = {line.split("  ")[1] for line in (published / "SHA256SUMS").read_text().splitlines()}
    files = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
    assert files == {*listed, "SHA256SUMS"}
    assert {"README.md", "LICENSE", "config.yaml", "versions.csv"} <= files
    assert {"tables/claims.csv", "figures/cross_play.pdf"} <= files
    assert not any("snakemake_timestamp" in name for name in files)
    for name in files:
        if name.endswith((".md", ".json", ".csv")):
            assert str(made.parents[1]) not in (published / name).read_text(), name


def test_the_card_s_own_code_gives_the_same_agent(
    agents: Agents, made: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published)
    seen = []
    for agent in agents:
        base = AutoModelForCausalLM.from_pretrained(made / agent.base)
        trained = logits(PeftModel.from_pretrained(base, str(made / agent.folder / "adapter")))
        card = Path("adapters", agent.folder, "README.md").read_text()
        found: dict[str, Any] = {}
        exec(card.split("```python\n")[1].split("```")[0], found)
        assert torch.equal(logits(found["model"]), trained), agent.folder
        assert found["tokenizer"].vocab_size > 0
        by_itself = AutoPeftModelForCausalLM.from_pretrained(f"adapters/{agent.folder}")
        assert torch.equal(logits(by_itself), trained), agent.folder
        seen.append(trained)
    assert all((one - other).abs().max() > 0.01 for one, other in pairwise(seen))


def test_copies_are_adapters_as_vllm_wants_them(
    agents: Agents, made: Path, published: Path
) -> None:
    """vLLM's loader of LoRA directories has conditions on files, settings and names of weights."""
    weights = "adapter_model.safetensors"
    for agent in agents:
        adapter, original = published / "adapters" / agent.folder, made / agent.folder / "adapter"
        settings = adapter_settings(adapter)
        adapters.check_adapter(adapter, published / settings["base_model_name_or_path"])
        assert (adapter / weights).read_bytes() == (original / weights).read_bytes()
        assert (settings["bias"], settings["modules_to_save"]) == ("none", None)
        assert not settings["use_dora"]
        assert not settings["rank_pattern"]
        assert isinstance(settings["target_modules"], list)
        assert (settings["r"], settings["lora_alpha"]) == (2, 8)
        assert not list(adapter.glob("*.bin"))
        assert all(map(LAYER.fullmatch, load_file(adapter / weights)))
    assert (published / "models/warm_start/split/embedded/model.safetensors").is_file()
    assert (published / "models/base/embedded/README.md").is_file()


def test_cards_hold_scores_and_the_front_page_names_all(agents: Agents, published: Path) -> None:
    cards = [(published / "adapters" / a.folder / "README.md").read_text() for a in agents]
    naive, other, *_, learner, variant = cards
    assert "| Greedy | 81.2 [1.00, 2.00] |" in naive
    assert "| itself | 52.5 [1.00, 2.00] |" in naive  # a copy of the same seed
    assert "| C1 | a copy of itself | points a round | 82.5 [1.00, 2.00] | <= 90 in" in naive
    for card in cards:
        assert "In the last 1 of 2 iterations this adapter got 61.2 points a round." in card
    assert "81.2" not in other + learner + variant
    assert "# Naive RL learner in Split, seed 7" in learner
    page = (published / "README.md").read_text()
    assert "| `split` | `embedded` | Naive RL learner | Greedy |" in page
    assert all(f"`adapters/{agent.folder.parent}/`" in page for agent in agents)


def test_a_model_of_the_hub_is_named_and_not_copied(
    of_hub: Config, agents: Agents, results: Path
) -> None:
    output = publish_results(of_hub, results)
    assert not (output / "models").exists()
    fingerprint = model_fingerprint(results / "base" / "embedded")
    for agent in agents:
        adapter = output / "adapters" / agent.folder
        settings = adapter_settings(adapter)
        found = settings["base_model_name_or_path"], settings["revision"]
        assert found == ("someone/a-model", "abc")
        assert f'"fingerprint": "{fingerprint}"' in (adapter / "base_model.json").read_text()


def test_a_warm_started_model_of_the_hub_is_copied(
    config: Config, of_hub: Config, results: Path
) -> None:
    output = publish_results(changed(config, models=[as_said(of_hub.models[0])]), results)
    model = output / "models/warm_start/split/embedded"
    assert (model / "model.safetensors").is_file()
    for card in (model / "README.md", output / "README.md"):
        assert ModelCard.load(card).data.license_link == "https://huggingface.co/someone/a-model"
        assert "no evidence" not in card.read_text()
    assert not (output / "models/base").exists()


def test_the_language_model_of_one_that_sees_is_copied(
    of_hub: Config, agents: Agents, results: Path
) -> None:
    for agent in agents:
        file = results / agent.base / "config.json"
        file.write_text(file.read_text().replace('"model_type": "qwen2"', '"model_type": "x_text"'))
        fingerprint = model_fingerprint(results / agent.base)
        adapters.write_base_record(results / agent.folder / "adapter", fingerprint)
    output = publish_results(of_hub, results)
    for agent in agents:
        base = adapter_settings(output / "adapters" / agent.folder)["base_model_name_or_path"]
        assert (output / base).is_dir()


def refused(config: Config, results: Path) -> str:
    with pytest.raises(UserError) as error:
        publish_results(config, results)
    assert "\n" not in str(error.value)
    assert not list(results.glob("*.partial"))
    return str(error.value)


def test_what_isn_t_there_can_t_be_published(config: Config, results: Path) -> None:
    nothing = results / "nothing"
    problem = "there are no results to publish; make them first: make results SCALE=smoke"
    assert refused(config, nothing) == f"{nothing}: {problem}"
    (results / "tables" / "claims.csv").unlink()
    assert "tables/claims.csv is missing" in refused(config, results)
    shutil.rmtree(results / "training/split/embedded/naive")
    assert "only 1 of 2 agents are trained" in refused(config, results)
    assert not (results / "publish").exists()


def test_a_damaged_adapter_leaves_what_was_published_before(config: Config, results: Path) -> None:
    for further in ("ablations", "exploitability"):  # these may be missing
        shutil.rmtree(results / further)
    sums = publish_results(config, results) / "SHA256SUMS"
    before = sums.read_text()
    weights = results / "training/split/embedded/naive/seed-7/adapter/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "damaged" in refused(config, results)
    assert sums.read_text() == before


@pytest.mark.parametrize("function", ["copyfile", "copy2"])
def test_a_full_disk_is_one_sentence(
    function: str, config: Config, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, function, full)
    said = refused(config, results)
    assert said.startswith(f"{results / 'publish'}: it can't be written (")
    assert said.endswith("No space left on device)")
    assert len(said) < len(str(results)) + 100
    assert not (results / "publish").exists()


@pytest.mark.parametrize("name", ["README.md", ".git/HEAD"])
def test_files_of_somebody_else_are_not_removed(config: Config, results: Path, name: str) -> None:
    output = publish_results(config, results)
    publish_results(config, results)  # its own files it replaces
    (output / name).parent.mkdir(exist_ok=True)
    (output / name).write_text("mine")
    said = refused(config, results)
    assert (
        said
        == f"{output} also holds what isn't from here, such as {name}: move the folder away first"
    )
    assert (output / name).read_text() == "mine"
