"""Model cards: the README.md of an adapter or a model, as the Hugging Face hub shows it.

Their texts are in `workflow/report/*.md.jinja`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCardData
from safetensors import safe_open

from social_dilemmas.games import game_of
from social_dilemmas.report.names import game_title, readable
from social_dilemmas.report.pages.page import write_page
from social_dilemmas.report.publishing.agents import TrainedAgent

CARD = "README.md"
SMALL = 50_000_000  # parameters; whatever is smaller is hardly a language model
TAGS = ("lora", "reinforcement-learning", "social-dilemmas")


@dataclass(frozen=True)
class BaseModel:
    """What a card says of the model that an adapter belongs to.

    Attributes:
        name: where to get it: a path that whoever has the adapter also has, or a name on the hub.
        fingerprint: as recorded beside the adapter, see `policy.model.model_fingerprint`.
        parameters: number of parameters.
        revision: commit, tag or branch on the hub; None for a path.
        origin: name on the hub of the model that it was made from; None if the workflow built it from nothing.
    """

    name: str
    fingerprint: str
    parameters: int
    revision: str | None = None
    origin: str | None = None

    @property
    def on_the_hub(self) -> bool:
        return self.revision is not None

    @property
    def only_demonstrates(self) -> bool:
        """Whether it is one of the workflow's own, which know nothing but the games."""
        return self.origin is None and self.parameters < SMALL


def write_agent_card(
    card: Path,
    agent: str,
    run: Mapping[str, Any],
    base: BaseModel,
    adapter: str,
    scores: Mapping[str, Any] | None = None,
) -> None:
    """Write the card of an adapter.

    Args:
        card: the file to write.
        agent: the agent's name in the tables.
        run: what the run was, as in its `config.yaml`: seed, game, settings, opponent.
        base: its base model.
        adapter: where the adapter is, for whoever reads the card.
        scores: see `publishing.scores`; without them the card has no such section.
    """
    game, opponent = run["game"], run.get("opponent")
    rounds = game["rounds"]
    write_page(
        "agent_card.md.jinja",
        card,
        metadata=_metadata(
            base,
            library_name="peft",
            base_model=base.name if base.on_the_hub else None,  # the hub refuses paths here
            tags=[*TAGS, game["name"]],
        ),
        agent=readable(agent),
        title=game_of(game).title,
        rounds=f"{rounds} rounds" if isinstance(rounds, int) else f"rounds: {_inline(rounds)}",
        rules=_inline(game.get("rules")),
        opponent=readable(opponent["name"]) if opponent else None,
        run=run,
        base=base,
        adapter=adapter,
        scores=scores,
    )


def write_model_card(card: Path, place: Path, base: BaseModel) -> None:
    """Write the card of a base model.

    Args:
        card: the file to write.
        place: where the model is below the results.
        base: what is known of it.
    """
    warm_started = place.parts[0] == "warm_start"
    write_page(
        "model_card.md.jinja",
        card,
        metadata=_metadata(base, library_name="transformers"),
        game=game_title(place.parts[1]) if warm_started else None,
        model=place.parts[2] if warm_started else place.name,
        base=base,
    )


def write_front_page(
    page: Path, scale: str, agents: Sequence[TrainedAgent], bases: Mapping[Path, BaseModel]
) -> None:
    """Write the front page of a published folder.

    Args:
        page: the file to write.
        scale: name of the scale.
        agents: the agents that are published.
        bases: their base models, by their places below the results.
    """
    rows = [
        (
            *(agent.game, agent.model, readable(agent.name)),
            readable(agent.opponent) if agent.opponent else "itself",
            published_folder(agent).parent,
        )
        for agent in agents
    ]
    origin = next((base for base in bases.values() if base.origin), bases[agents[0].base])
    write_page(
        "published.md.jinja",
        page,
        metadata=_metadata(origin, library_name="peft", tags=list(TAGS)),
        scale=scale,
        bases=list(bases.values()),
        example=published_folder(agents[0]),
        example_base=bases[agents[0].base].name,
        games={agent.game: game_title(agent.game) for agent in agents},
        agents=list(dict.fromkeys(rows)),  # all seeds of an agent are one row
    )


def published_folder(agent: TrainedAgent) -> Path:
    """Where an agent's adapter is in a published folder."""
    return Path("adapters", agent.folder)


def parameter_count(model: Path) -> int:
    """Number of parameters in a model directory, from the headers of its weights files."""
    count = 0
    for path in model.glob("*.safetensors"):
        with safe_open(path, "numpy") as weights:
            names = weights.keys()
            count += sum(prod(weights.get_slice(name).get_shape()) for name in names)
    return count


def _metadata(base: BaseModel, **facts: Any) -> str:
    """What the hub reads at the top of a card, in YAML."""
    licence = {"license": "mit"}
    if base.origin is not None:
        licence = {
            "license": "other",
            "license_name": "mit-and-that-of-the-base-model",
            "license_link": f"https://huggingface.co/{base.origin}",
        }
    return ModelCardData(pipeline_tag="text-generation", **licence, **facts).to_yaml()


def _inline(values: Mapping[str, Any] | None) -> str:
    """Values with their names on one line, as code; empty if there are none."""
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=True, width=10_000)
    return f"`{text.strip()}`" if values else ""
