"""Model cards, as the Hugging Face hub shows them; their texts are in `workflow/report/*.md.jinja`."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from huggingface_hub import ModelCardData
from safetensors import safe_open

from social_dilemmas.config.schema.training import LORA_RANKS
from social_dilemmas.report.names import game_title
from social_dilemmas.report.pages.page import write_page
from social_dilemmas.report.publishing.agents import Origin

CARD = "README.md"
DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}  # as safetensors call them
TAGS = ["lora", "reinforcement-learning", "social-dilemmas"]


class Weights(NamedTuple):
    """How many weights a model has, and of which types."""

    parameters: int
    dtype: str


@dataclass(frozen=True)
class BaseModel:
    """What a card says of the model that an adapter belongs to.

    Its name is a path that whoever has the adapter also has, or one on the hub, with a revision there. `origin` says
    where its weights are from; the workflow built others from nothing.
    """

    name: str
    fingerprint: str
    weights: Weights
    revision: str | None = None
    origin: Origin | None = None


def write_card(
    template: str, card: Path, base: BaseModel, facts: Mapping[str, Any], **values: Any
) -> None:
    """Write a card from its template; `facts` is metadata for the hub in addition to the base model's licence."""
    licence: dict[str, Any] = {"license": "mit"}
    if base.origin is not None:
        licence = {"license": "other", "license_name": "mit-and-that-of-the-base-model"}
        licence |= {"license_link": base.origin.link} if base.origin.link else {}
    metadata = ModelCardData(pipeline_tag="text-generation", **licence, **facts)
    write_page(template, card, metadata=metadata.to_yaml(), base=base, **values)


def write_agent_card(
    card: Path,
    agent: str,
    run: Mapping[str, Any],
    base: BaseModel,
    adapter: str,
    scores: Mapping[str, Any] | None = None,
) -> None:
    """Write the card of an adapter, which readers find at `adapter`.

    `agent` is the agent's name in the tables, `run` what its `config.yaml` says, `scores` what `scores_of` found.
    """
    game, rank = run["game"], run["settings"]["lora_rank"]
    on_hub = {"base_model": base.name} if base.revision else {}  # the hub refuses paths here
    write_card(
        "agent_card.md.jinja",
        card,
        base,
        {"library_name": "peft", **on_hub, "tags": [*TAGS, game["name"]]},
        agent=agent,
        title=game_title(game["name"]),
        rounds=game["rounds"] if isinstance(game["rounds"], int) else _inline(game["rounds"]),
        rules=_inline(game["rules"]) if game.get("rules") else "the default ones",
        run=run,
        adapter=adapter,
        vllm_rank=next((each for each in LORA_RANKS if each >= rank), rank),
        scores=scores,
    )


def weights_of(model: Path) -> Weights:
    """The weights in a model directory, from the headers of its files."""
    count, dtypes = 0, set()
    for path in model.glob("*.safetensors"):
        with safe_open(path, "numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a dictionary)
                weight = weights.get_slice(name)
                count += prod(weight.get_shape())
                dtypes.add(DTYPES.get(weight.get_dtype(), weight.get_dtype()))
    return Weights(count, " and ".join(sorted(dtypes)))


def _inline(values: Mapping[str, Any]) -> str:
    """Values with their names on one line, as code."""
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=True, width=10_000)
    return f"`{text.strip()}`"
