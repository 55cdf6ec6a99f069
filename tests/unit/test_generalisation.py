"""Agents under what they weren't trained on, against payoffs by hand; the prior and the English of a model."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from peft import PeftModel
from tests.unit.conftest import BaseOf
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.settings import merge, variation_entry
from social_dilemmas.evaluation.cross_play import play_pairs
from social_dilemmas.evaluation.perplexity import measure_perplexity
from social_dilemmas.evaluation.prior_audit import audit_prior
from social_dilemmas.games import game_of
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.statistics import language
from social_dilemmas.statistics.generalisation import generalisation

DILEMMA = {"name": "prisoners_dilemma", "rounds": 10}
STAG_HUNT = {**DILEMMA, "kind": "stag_hunt"}
B_LISTED_SECOND = {"actions": ["B", "A"], "order": ["A", "B"]}


def with_variations(*variations: dict[str, Any], **rules: Any) -> Config:
    """The smoke scale, its prisoner's dilemma with these rules and variations."""
    said = load_scale("smoke").model_dump(exclude_unset=True)
    game = said["games"][0]
    game |= {"rules": rules, "generalisation": {"variations": list(variations)}}
    return Config.model_validate(merge(said))


def test_a_variation_changes_what_it_says_and_nothing_else() -> None:
    variations: list[dict[str, Any]] = [
        {"name": "paid", "rules": {"temptation": 10}},
        {"name": "long", "rounds": 20},
        {"name": "listed", "rules": {"order": None}},
        {"name": "hunt", "kind": "stag_hunt", "rounds": 4, "rules": {"wording": "brief"}},
    ]
    config = with_variations(*variations, reward=4, **B_LISTED_SECOND)
    found = {
        name: variation_entry(config, "prisoners_dilemma", name)
        for name in ("as_trained", "paid", "long", "listed", "hunt")
    }
    own = {"name": "prisoners_dilemma", "kind": "prisoners_dilemma", "rounds": 3}
    rules = {"reward": 4, **B_LISTED_SECOND}
    assert found["as_trained"] == {**own, "rules": rules}
    assert found["paid"] == {**own, "rules": {**rules, "temptation": 10}}
    assert found["long"] == {**own, "rounds": 20, "rules": rules}
    assert found["listed"]["rules"] == {**rules, "order": None}
    hunt = {"kind": "stag_hunt", "rounds": 4, "rules": {**B_LISTED_SECOND, "wording": "brief"}}
    assert found["hunt"] == {**own, **hunt}  # without the dilemma's payoffs


@pytest.mark.parametrize(
    ("entry", "expected"),
    [  # with itself, with a cooperator, and with a defector: cooperation, points, normalised points
        (
            DILEMMA,
            {
                "itself": (1, 3, 1),
                "cooperator": (1, 3, 1),
                "defector": (0.1, 0.9, (0.9 - 1) / (6 / 2 - 1)),
            },
        ),
        (  # taking turns is best
            {**DILEMMA, "rules": {"temptation": 10, **B_LISTED_SECOND}},
            {"itself": (1, 3, (3 - 1) / (10 / 2 - 1)), "defector": (0.1, 0.9, -0.1 / 4)},
        ),
        (
            {**STAG_HUNT, "rules": B_LISTED_SECOND},
            {"itself": (1, 4, 1), "defector": (0.1, 1.8, (1.8 - 2) / (8 / 2 - 2))},
        ),
    ],
    ids=["as_trained", "temptation", "stag_hunt"],
)
def test_what_tit_for_tat_does_under_variations(
    base_model: Path, tmp_path: Path, entry: dict[str, Any], expected: dict[str, Any]
) -> None:
    always = ("first_action", "second_action") if "kind" in entry else ()
    names = always or ("always_cooperate", "always_defect")
    agent, *others = (Agent(name, Kind.SCRIPTED) for name in ("tit_for_tat", *names))
    play_pairs(
        model=base_model,
        pairs=[(agent, other) for other in (agent, *others)],
        game=entry,
        settings=Evaluation(opponents=[], matches=2),
        output=tmp_path / "matches.parquet",
    )
    key = ("prisoners_dilemma", "embedded", "varied")
    table = generalisation({key: tmp_path / "matches.parquet"})
    assert {*table["agent"]} == {"tit_for_tat"}
    assert {*table["variation"]} == {"varied"}
    found = table.pivot(index="opponent", columns="quantity", values="mean")
    for opponent, values in expected.items():
        columns = ["cooperation", "payoff", "normalised_payoff"]
        assert [*found[columns].loc[opponent]] == pytest.approx(values)


def next_token(model: LanguageModel, rules: str, chosen: dict[str, str], asked: str) -> float:
    """The probability of a reply, over both, after what was said in a first round if there is one.

    Both go on without a choice once they differ, so that one token decides.
    """
    tokenizer = model.tokenizer
    turns = [{"role": "user", "content": rules}]
    if chosen:
        turns.append({"role": "assistant", "content": chosen["own"]})
        turns.append({"role": "user", "content": f"The other player chose {chosen['other']}."})
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before = tokenizer.encode(text, add_special_tokens=False)
    replies = [
        tokenizer.encode(reply, add_special_tokens=False)
        for reply in (asked, *({"<A>", "<B>"} - {asked}))
    ]
    same = next(place for place, (a, b) in enumerate(zip(*replies, strict=False)) if a != b)
    given = torch.tensor([[*before, *replies[0][:same]]])
    with torch.no_grad():
        logits = model.model(given).logits[0, -1]
    return float(logits[[reply[same] for reply in replies]].softmax(0)[0])


@pytest.mark.parametrize("family", ["embedded", "qwen2"])
def test_the_audit_says_how_likely_the_model_is_to_cooperate(
    family: str, tiny: LanguageModel, base_of: BaseOf, tmp_path: Path
) -> None:
    """Against the next token after the conversation as its template writes it."""
    model = tiny if family == "embedded" else base_of(family)
    tellings = [{"actions": ["A", "B"], "order": ["A", "B"]}, B_LISTED_SECOND]
    if family != "embedded":
        tellings.append({"actions": ["A", "B"], "order": ["B", "A"]})
    output = tmp_path / "probabilities.csv"
    audit_prior(model=model.path, game=DILEMMA, tellings=tellings, output=output)
    table = language.prior_audit({("prisoners_dilemma", "m"): output})
    assert len(table) == 5 * len(tellings)
    for row in table.to_dict("records"):
        actions = [row["cooperates"], row["defects"]]
        order = [row["listed_first"], *({*actions} - {row["listed_first"]})]
        played = game_of({**DILEMMA, "rules": {"actions": actions, "order": order}})
        rules = played.start(0).turns()[0].prompt
        assert f"you both choose {order[0]} or {order[1]}" in rules
        name = dict(zip("CD", (f"<{action}>" for action in actions), strict=True))
        own, other = row["situation"] if row["situation"] != "start" else ("", "")
        chosen = {"own": name[own], "other": name[other]} if own else {}
        expected = next_token(model, rules, chosen, name["C"])
        assert row["probability"] == pytest.approx(expected, abs=1e-5)
    assert table["probability"].nunique() > 4


def test_perplexity_before_and_after_training(base_model: Path, tmp_path: Path) -> None:
    adapter = saved_adapter(base_model, tmp_path / "adapter", 1.0)
    agents = [Agent("naive", seed=3, adapter=str(adapter)), Agent(WARM_START)]
    paragraphs = ["You get 3 points.", "The other player gets nothing at all, as it seems."]
    measure_perplexity(
        model=base_model,
        agents=agents,
        game=DILEMMA,
        text="\n\n".join(paragraphs) + "\n",
        output=tmp_path / "perplexity.csv",
    )
    table = language.perplexity({("prisoners_dilemma", "m"): tmp_path / "perplexity.csv"})
    found = table.set_index("agent")["perplexity"]
    language_model = load_model(base_model, "cpu")

    def expected(score: Callable[[torch.Tensor], Any]) -> float:
        cost, count = 0.0, 0
        for paragraph in paragraphs:
            tokens = language_model.tokenizer.encode(paragraph)
            probabilities = score(torch.tensor([tokens])).logits[0].softmax(-1)
            for place, token in enumerate(tokens[1:]):
                cost -= math.log(float(probabilities[place, token]))
                count += 1
        assert set(table["tokens"]) == {count}
        return math.exp(cost / count)

    with torch.no_grad():
        before = expected(language_model.model)
        after = expected(PeftModel.from_pretrained(language_model.model, str(adapter)).eval())
    assert found[WARM_START] == pytest.approx(before, rel=1e-4)
    assert found["naive"] == pytest.approx(after, rel=1e-4)
    assert abs(before - after) > 1
    ratios = table.set_index("agent")["ratio"]
    assert ratios.to_dict() == pytest.approx({"naive": after / before, WARM_START: 1})


def test_the_text_of_the_perplexity_is_ten_paragraphs() -> None:
    from social_dilemmas.evaluation.perplexity import ENGLISH

    paragraphs = ENGLISH.read_text(encoding="utf-8").strip().split("\n\n")
    assert len(paragraphs) == 10
    assert 600 <= sum(len(paragraph.split()) for paragraph in paragraphs) <= 1000


def test_every_seed_is_in_the_table(base_model: Path, tmp_path: Path) -> None:
    agents = [
        Agent("naive", seed=seed, adapter=str(saved_adapter(base_model, tmp_path / str(seed), 1.0)))
        for seed in (0, 1)
    ]
    opponent = Agent("always_defect", Kind.SCRIPTED)
    play_pairs(
        model=base_model,
        pairs=[(agent, other) for agent in agents for other in (agent, opponent)],
        game={**DILEMMA, "rounds": 3},
        settings=Evaluation(opponents=[], matches=4),
        output=tmp_path / "matches.parquet",
    )
    frame = pd.read_parquet(tmp_path / "matches.parquet")
    table = generalisation({("prisoners_dilemma", "m", "as_trained"): tmp_path / "matches.parquet"})
    row = table[(table["opponent"] == "defector") & (table["quantity"] == "cooperation")].iloc[0]
    own = frame[(frame["agent"] == "naive") & (frame["opponent"] == "always_defect")]
    means = own.groupby("agent_seed")["cooperation"].mean()
    assert [*map(float, row["by_seed"].split())] == pytest.approx(list(means), rel=1e-5)
    assert row["seeds"] == 2
