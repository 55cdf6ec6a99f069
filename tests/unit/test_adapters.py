"""Adapters: saved so that plain PEFT loads them, bound to their base model, and all that is trained."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from peft.utils import load_peft_weights
from torch import Tensor
from transformers import AutoModelForCausalLM

from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import (
    BASE_RECORD,
    LEARNER,
    NO_ADAPTER,
    adapter_weights,
    attach_learner,
    check_adapter,
    folded,
    put_adapter,
    save_adapter,
)
from social_dilemmas.policy.model import LanguageModel, load_model

TOKENS = torch.tensor([[3, 14, 15, 9, 2, 6]])


def with_learner(base: Path, seed: int = 0) -> PeftModel:
    return attach_learner(load_model(base, "cpu"), rank=2, alpha=8, seed=seed)


def random_weights(model: PeftModel, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(value.shape, generator=generator) * 0.3
        for key, value in adapter_weights(model).items()
    }


def logits(model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(TOKENS).logits
        return found


@pytest.fixture
def model(base_model: Path) -> PeftModel:
    found = with_learner(base_model)
    put_adapter(found, random_weights(found), LEARNER)
    return found


@pytest.fixture
def saved(model: PeftModel, base_model: Path, tmp_path: Path) -> Path:
    save_adapter(model, base_model, tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_fresh_adapter_changes_nothing(base_model: Path, tiny: LanguageModel) -> None:
    fresh = with_learner(base_model)
    assert torch.equal(logits(fresh), logits(tiny.model))
    assert not fresh.training


def test_the_seed_decides_the_first_weights(base_model: Path) -> None:
    first, again, other = (adapter_weights(with_learner(base_model, s)) for s in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_all_linear_layers_and_nothing_else_are_trained(model: PeftModel) -> None:
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    projections = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert len(trained) == 2 * 2 * len(projections)  # two layers, two matrices each
    for layer in (0, 1):
        for projection in projections:
            for matrix in "AB":
                ending = f"{projection}.lora_{matrix}.{LEARNER}.weight"
                assert any(f"layers.{layer}." in n and n.endswith(ending) for n in trained)


def test_a_step_changes_the_adapter_only(model: PeftModel) -> None:
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), lr=0.01)
    model(TOKENS).logits.square().mean().backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in trained), name


def test_plain_peft_loads_what_was_saved(
    model: PeftModel, saved: Path, base_model: Path, tiny: LanguageModel
) -> None:
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_model), str(saved))
    assert torch.equal(logits(plain), logits(model))
    assert (logits(plain) - logits(tiny.model)).abs().max() > 0.1
    assert {path.suffix for path in saved.iterdir()} <= {".json", ".safetensors", ".md"}


def test_only_the_learner_is_saved(model: PeftModel, base_model: Path, tmp_path: Path) -> None:
    expected = adapter_weights(model)
    put_adapter(model, random_weights(model, seed=1), "past")
    save_adapter(model, base_model, tmp_path)
    found = load_peft_weights(str(tmp_path))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)
    assert not (tmp_path / "past").exists()


def test_a_put_adapter_is_frozen_and_leaves_the_learner_alone(model: PeftModel) -> None:
    before, learner = logits(model), adapter_weights(model)
    weights = random_weights(model, seed=1)
    put_adapter(model, weights, "past")
    assert torch.equal(logits(model), before)
    assert all(torch.equal(value, learner[key]) for key, value in adapter_weights(model).items())
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (f".{LEARNER}." in name), name
    stored = adapter_weights(model, "past")
    assert all(torch.equal(stored[key], weights[key]) for key in weights)
    model.set_adapter("past")
    assert (logits(model) - before).abs().max() > 0.1


def test_putting_an_adapter_again_replaces_its_weights(model: PeftModel) -> None:
    put_adapter(model, random_weights(model, seed=1), "past")
    weights = random_weights(model, seed=2)
    put_adapter(model, weights, "past")
    stored = adapter_weights(model, "past")
    assert all(torch.equal(stored[key], weights[key]) for key in weights)


def test_copied_weights_don_t_follow_the_model(model: PeftModel) -> None:
    copied = adapter_weights(model)
    kept = {key: value.clone() for key, value in copied.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert all(torch.equal(copied[key], kept[key]) for key in kept)


def in_rows(model: PeftModel, *names: str) -> Tensor:
    """Logits of the same tokens in rows under these adapters."""
    with torch.no_grad():
        found: Tensor = model(TOKENS.expand(len(names), -1), adapter_names=[*names]).logits
        return found


@pytest.fixture
def several(model: PeftModel, tmp_path: Path, base_model: Path) -> PeftModel:
    """A model with a learner, a past agent, and an opponent of another rank and scale."""
    put_adapter(model, random_weights(model, seed=1), "past")
    other = attach_learner(load_model(base_model, "cpu"), rank=3, alpha=24, seed=0)
    put_adapter(other, random_weights(other, seed=2), LEARNER)
    save_adapter(other, base_model, tmp_path / "other")
    model.load_adapter(str(tmp_path / "other"), "opponent")
    model.set_adapter(LEARNER)
    return model.double()  # so that rounding stays small


def test_folded_rows_are_those_of_peft(several: PeftModel) -> None:
    names = (LEARNER, "opponent", NO_ADAPTER, "past", LEARNER, NO_ADAPTER)
    expected = in_rows(several, *names)
    with folded(several, True, (LEARNER, "past", "opponent", NO_ADAPTER)):
        found = in_rows(several, *names)
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
        for name, row in zip(names, expected, strict=True):  # and in batches of one kind
            alone = in_rows(several, name, name)
            torch.testing.assert_close(alone, torch.stack([row, row]), atol=1e-9, rtol=0)
    with folded(several, True, (LEARNER,)), pytest.raises(KeyError):
        in_rows(several, "past")  # it isn't among those that were folded
    distances = [(expected[i] - expected[j]).abs().max() for i in range(4) for j in range(i)]
    assert min(distances) > 0.05


def test_folding_leaves_the_model_as_it_was(several: PeftModel) -> None:
    before, rows = logits(several), in_rows(several, "past", NO_ADAPTER)
    with folded(several, True, (LEARNER,)):
        torch.testing.assert_close(logits(several), before, atol=1e-9, rtol=0)
    with pytest.raises(KeyboardInterrupt), folded(several, True, ("past", NO_ADAPTER)):
        raise KeyboardInterrupt
    assert torch.equal(logits(several), before)
    assert torch.equal(in_rows(several, "past", NO_ADAPTER), rows)
    with folded(several, False, (LEARNER,)):
        assert torch.equal(in_rows(several, "past", NO_ADAPTER), rows)
    with folded(None):
        pass


def test_folded_gradients_are_those_of_peft(several: PeftModel) -> None:
    found = []
    for fold in (False, True):
        several.zero_grad()
        with folded(several, fold):
            several(TOKENS).logits.square().mean().backward()
        gradients = {n: p.grad for n, p in several.named_parameters() if p.grad is not None}
        assert all(f".{LEARNER}." in name for name in gradients)
        found.append({name: gradient.clone() for name, gradient in gradients.items()})
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == 28
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-9, rtol=1e-6)


def test_its_own_base_model_is_accepted(saved: Path, base_model: Path, tmp_path: Path) -> None:
    check_adapter(saved, base_model)
    shutil.copytree(base_model, tmp_path / "elsewhere")
    check_adapter(saved, tmp_path / "elsewhere")  # the same model in another place


def test_another_base_model_is_refused(saved: Path, base_model: Path, tmp_path: Path) -> None:
    language_model = load_model(base_model, "cpu")
    with torch.no_grad():
        next(language_model.model.parameters()).mul_(1.01)
    language_model.save(tmp_path / "other")
    with pytest.raises(UserError, match="trained for another base model than") as caught:
        check_adapter(saved, tmp_path / "other")
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "missing", ["adapter_config.json", "adapter_model.safetensors", BASE_RECORD]
)
def test_a_missing_file_is_named(saved: Path, base_model: Path, missing: str) -> None:
    (saved / missing).unlink()
    with pytest.raises(UserError, match=f"not an adapter directory, {missing} is missing"):
        check_adapter(saved, base_model)


def test_a_missing_directory_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not an adapter directory"):
        check_adapter(tmp_path / "nowhere", base_model)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", BASE_RECORD])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_truncated_file_is_refused(saved: Path, base_model: Path, name: str, kept: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=f"{name} is damaged"):
        check_adapter(saved, base_model)


def test_an_adapter_that_lacks_weights_is_refused(saved: Path, base_model: Path) -> None:
    """PEFT would only warn, and leave layers without an adapter."""
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / "adapter_model.safetensors")
    weights.pop(next(iter(weights)))
    save_file(weights, saved / "adapter_model.safetensors")
    with pytest.raises(UserError, match=r"adapter_model\.safetensors is damaged"):
        check_adapter(saved, base_model)


def test_the_record_is_plain(saved: Path) -> None:
    assert isinstance(json.loads((saved / BASE_RECORD).read_text())["fingerprint"], str)


def test_the_same_adapter_is_saved_as_the_same_bytes(base_model: Path, tmp_path: Path) -> None:
    saved = tmp_path / "first", tmp_path / "second"
    for folder in saved:
        save_adapter(with_learner(base_model), base_model, folder)
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in saved]
    assert files[0] == files[1]
    assert "README.md" not in files[0]
    layers = json.loads(files[0]["adapter_config.json"])["target_modules"]
    assert layers == sorted(layers)
