"""Adapters: saved so that plain PEFT loads them, bound to their base model, and all that is trained."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from peft.utils import load_peft_weights
from tests.unit.mixed_adapters import (
    DILEMMA,
    copied_weights,
    foreign_model,
    random_policy,
    random_weights,
    saved_adapter,
)
from torch import Tensor
from transformers import AutoModelForCausalLM

from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import (
    BASE_RECORD,
    FILES,
    LEARNER,
    NO_ADAPTER,
    check_adapter,
    save_adapter,
)
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy

TOKENS = torch.tensor([[3, 14, 15, 9, 2, 6]])


def fresh_policy(base: Path, seed: int = 0) -> Policy:
    policy = Policy(load_model(base, "cpu"), DILEMMA)
    policy.add_learner(rank=2, alpha=8.0, seed=seed)
    return policy


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@torch.no_grad()
def logits(model: torch.nn.Module, *names: str) -> Tensor:
    """Logits of the same tokens, in rows under these adapters if there are any."""
    named = {"adapter_names": [*names]} if names else {}
    found: Tensor = model(TOKENS.expand(max(1, len(names)), -1), **named).logits
    return found


@pytest.fixture
def policy(base_model: Path) -> Policy:
    return random_policy(base_model)


@pytest.fixture
def saved(base_model: Path, tmp_path: Path) -> Path:
    return saved_adapter(base_model, tmp_path / "adapter")


def test_a_fresh_adapter_changes_nothing(base_model: Path, tiny: LanguageModel) -> None:
    fresh = fresh_policy(base_model)
    assert torch.equal(logits(fresh.model), logits(tiny.model))
    assert not fresh.model.training


def test_the_seed_decides_the_first_weights(base_model: Path) -> None:
    first, again, other = (fresh_policy(base_model, seed).weights() for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)


def test_plain_peft_loads_what_was_saved(
    policy: Policy, base_model: Path, tmp_path: Path, tiny: LanguageModel
) -> None:
    saved = tmp_path / "adapter"
    policy.put("past", random_weights(policy, seed=1))
    save_adapter(policy.model, base_model, saved)  # the learner, and nothing else
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_model), str(saved))
    assert same(load_peft_weights(str(saved)), policy.weights())
    assert torch.equal(logits(plain), logits(policy.model))
    assert (logits(plain) - logits(tiny.model)).abs().max() > 0.1
    assert {path.name for path in saved.iterdir()} == {*FILES, BASE_RECORD}
    assert isinstance(json.loads((saved / BASE_RECORD).read_text())["fingerprint"], str)


def test_a_put_adapter_is_frozen_and_leaves_the_learner_alone(policy: Policy) -> None:
    before, learner = logits(policy.model), copied_weights(policy)
    for seed in (1, 2):  # the second time, weights are replaced
        weights = random_weights(policy, seed=seed)
        policy.put("past", weights)
        assert same(policy.weights("past"), weights)
        assert torch.equal(logits(policy.model), before)
        assert same(policy.weights(), learner)
        for name, parameter in policy.model.named_parameters():
            assert parameter.requires_grad == (f".{LEARNER}." in name), name
    assert (logits(policy.model, "past") - before).abs().max() > 0.1
    policy.drop("past")
    assert policy.adapters == [LEARNER]
    assert torch.equal(logits(policy.model), before)


@pytest.mark.parametrize("learning", [True, False])
def test_a_loaded_adapter_plays_as_it_was_trained(
    learning: bool, base_model: Path, tmp_path: Path, tiny: LanguageModel
) -> None:
    """With its own rank and scale, whatever the learner's are; and only the learner is trained."""
    frozen = str(saved_adapter(base_model, tmp_path / "frozen", rank=3))
    policy = (
        random_policy(base_model, seed=1)
        if learning
        else Policy(load_model(base_model, "cpu"), DILEMMA)
    )
    for _ in range(2):  # it is loaded once
        policy.load(frozen)
    name = policy.name_of(frozen)
    assert policy.adapters == ([LEARNER, name] if learning else [name])
    assert same(policy.weights(name), load_peft_weights(frozen, device="cpu"))
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_model), frozen)
    torch.testing.assert_close(logits(policy.model, name), logits(plain.eval()), atol=1e-5, rtol=0)
    base = logits(policy.model, policy.name_of(None))
    torch.testing.assert_close(base, logits(tiny.model), atol=1e-5, rtol=0)
    for parameter, each in policy.model.named_parameters():
        assert each.requires_grad == (f".{LEARNER}." in parameter), parameter


@pytest.fixture
def several(base_model: Path, tmp_path: Path) -> tuple[Policy, str]:
    """A policy with a learner, a past agent, and a frozen adapter of another rank and scale, whose name is given."""
    policy = random_policy(base_model, seed=1)
    policy.put("past", random_weights(policy, seed=2))
    frozen = str(saved_adapter(base_model, tmp_path / "frozen", rank=3))
    policy.load(frozen)
    policy.model.double()  # so that rounding stays small
    return policy, policy.name_of(frozen)


@torch.no_grad()
def rows_by_both(several: tuple[Policy, str], merge: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The logits of rows under several adapters by PEFT and by `adapted_layers`, and those of pairs under each one."""
    policy, frozen = several
    names = (LEARNER, frozen, NO_ADAPTER, "past", LEARNER, NO_ADAPTER)
    expected, alone = logits(policy.model, *names), []
    tokens = TOKENS.expand(len(names), -1)
    with adapted_layers(policy.model, merge, {*names}) as assigned:
        assigned.assign(names, tokens.device)
        found = policy.model(tokens).logits
        for name in names:  # and in batches of one kind
            assigned.assign([name, name], tokens.device)
            alone.append(policy.model(tokens[:2]).logits)
    assert torch.equal(logits(policy.model, *names), expected)  # the model is as it was
    return expected, found, alone


@pytest.mark.parametrize("merge", [True, False])
def test_rows_are_those_of_peft(several: tuple[Policy, str], merge: bool) -> None:
    expected, found, alone = rows_by_both(several, merge)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    for pair, row in zip(alone, expected, strict=True):
        torch.testing.assert_close(pair, torch.stack([row, row]), atol=1e-9, rtol=0)
    distances = [(expected[i] - expected[j]).abs().max() for i in range(4) for j in range(i)]
    assert min(distances) > 0.05


def test_only_adapters_that_were_named_can_be_merged(policy: Policy) -> None:
    policy.put("past", random_weights(policy, seed=2))
    with adapted_layers(policy.model, True, (LEARNER,)) as assigned:
        assigned.assign(["past"], TOKENS.device)
        with pytest.raises(KeyError):
            policy.model(TOKENS)


@pytest.mark.parametrize("merge", [True, False])
def test_the_model_is_left_as_it_was(several: tuple[Policy, str], merge: bool) -> None:
    model = several[0].model
    before, rows = logits(model), logits(model, "past", NO_ADAPTER)
    with adapted_layers(model, merge, (LEARNER,)):
        torch.testing.assert_close(logits(model), before, atol=1e-9, rtol=0)
    with pytest.raises(KeyboardInterrupt), adapted_layers(model, merge, ("past", NO_ADAPTER)):
        raise KeyboardInterrupt
    assert torch.equal(logits(model), before)
    assert torch.equal(logits(model, "past", NO_ADAPTER), rows)


@pytest.mark.parametrize("merge", [True, False])
def test_gradients_are_those_of_peft(several: tuple[Policy, str], merge: bool) -> None:
    model = several[0].model
    found = []
    for context in (nullcontext(), adapted_layers(model, merge)):
        model.zero_grad()
        with context:
            model(TOKENS).logits.square().mean().backward()
        found.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    expected, gradients = found
    assert gradients.keys() == expected.keys()
    assert len(expected) == 28
    assert all(f".{LEARNER}." in name for name in expected)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-9, rtol=1e-6)


def apart(found: Tensor, expected: Tensor) -> float:
    """The norm of the difference, relative to what is expected."""
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture
def half(several: tuple[Policy, str]) -> tuple[Policy, str]:
    """The same with a model in half precision; adapters keep float32."""
    for name, parameter in several[0].model.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if "lora_" in name else torch.bfloat16)
    return several


@pytest.mark.parametrize("merge", [True, False])
def test_rows_in_half_precision_are_those_of_peft(half: tuple[Policy, str], merge: bool) -> None:
    expected, found, alone = rows_by_both(half, merge)
    for pair, row in zip(alone, expected, strict=True):
        assert all(apart(each, row) < 0.05 for each in pair)
    assert found.dtype == torch.bfloat16
    assert all(apart(*rows) < 0.05 for rows in zip(found, expected, strict=True))
    assert min(apart(expected[i], expected[j]) for i in range(4) for j in range(i)) > 1


def test_gradients_in_half_precision_are_those_of_peft(half: tuple[Policy, str]) -> None:
    """Merging makes no difference: a small change of an adapter must not drown in the rounding of the weights."""
    model = half[0].model
    layer = next(module for module in model.modules() if isinstance(module, LoraLinear))
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 6, layer.in_features, generator=random).bfloat16().requires_grad_()
    leaves = [inputs, layer.lora_A[LEARNER].weight, layer.lora_B[LEARNER].weight]
    found = []
    for context in (nullcontext(), adapted_layers(model, False), adapted_layers(model, True)):
        with context:
            loss = layer(inputs).float().square().mean()
        found.append(torch.autograd.grad(loss, leaves))
    peft, separate, merged = found
    for leaf, expected, gradient, again in zip(leaves, peft, separate, merged, strict=True):
        assert gradient.dtype == leaf.dtype
        assert apart(gradient, expected) < 0.02
        assert torch.equal(again, gradient)


def test_its_own_base_model_is_accepted(saved: Path, base_model: Path, tmp_path: Path) -> None:
    check_adapter(saved, base_model)
    shutil.copytree(base_model, tmp_path / "elsewhere")
    check_adapter(saved, tmp_path / "elsewhere")  # the same model in another place


def test_another_base_model_is_refused(saved: Path, base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trained for another base model than") as caught:
        check_adapter(saved, foreign_model(base_model, tmp_path / "other"))
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tokenizer.json", "chat_template.jinja"])
def test_a_base_model_that_reads_otherwise_is_another(
    saved: Path, base_model: Path, tmp_path: Path, name: str
) -> None:
    """The weights are the same, and what they are told isn't."""
    other = shutil.copytree(base_model, tmp_path / "other")
    (other / name).write_text(f"{(other / name).read_text()} ")
    with pytest.raises(UserError, match="trained for another base model than"):
        check_adapter(saved, other)


@pytest.mark.parametrize("missing", [*FILES, BASE_RECORD])
def test_a_missing_file_is_named(saved: Path, base_model: Path, missing: str) -> None:
    (saved / missing).unlink()
    with pytest.raises(UserError, match=f"not an adapter directory, {missing} is missing"):
        check_adapter(saved, base_model)


@pytest.mark.parametrize("name", [*FILES, BASE_RECORD])
@pytest.mark.parametrize("kept", [0, 0.5, 1])
def test_a_damaged_file_is_refused(saved: Path, base_model: Path, name: str, kept: float) -> None:
    """Truncated, or of the same length; PEFT would take other weights, and only warn where some are missing."""
    content = (saved / name).read_bytes()
    other = content[:-1] + bytes([content[-1] ^ 1])
    (saved / name).write_bytes(other[: int(kept * len(content))])
    with pytest.raises(UserError, match=f"{name} is damaged"):
        check_adapter(saved, base_model)


def test_the_same_adapter_is_saved_as_the_same_bytes(base_model: Path, tmp_path: Path) -> None:
    saved = [saved_adapter(base_model, tmp_path / name) for name in ("first", "second")]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in saved]
    assert files[0] == files[1]
    layers = json.loads(files[0]["adapter_config.json"])["target_modules"]
    assert layers == sorted(layers)
