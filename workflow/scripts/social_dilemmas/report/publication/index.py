"""The texts of a published folder: its front page, and the cards of base models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.report.model_card import DEMONSTRATION, PAPER, BaseModel, table
from social_dilemmas.report.names import game_title, readable
from social_dilemmas.report.publication.agents import TrainedAgent

SUMS = "SHA256SUMS"
FRONT_MATTER = {"library_name": "transformers", "pipeline_tag": "text-generation"}


def index(
    config: Mapping[str, Any],
    agents: Sequence[TrainedAgent],
    bases: Mapping[Path, BaseModel],
) -> str:
    """The front page.

    Args:
        config: the scale's configuration.
        agents: the agents that are published.
        bases: their base models, by the place below the results.
    """
    example = agents[0]
    base = bases[example.base]
    small = all(model.only_demonstrates for model in bases.values())
    origin = next((model for model in bases.values() if model.origin), base)
    tags = ["lora", "reinforcement-learning", "social-dilemmas"]
    front_matter = {**origin.licence(), **FRONT_MATTER, "library_name": "peft", "tags": tags}
    parts = [
        f"---\n{yaml.safe_dump(front_matter, sort_keys=False)}---",
        f"# Agents in social dilemmas: the scale {config['scale']}",
        "LoRA adapters of language models that were trained by reinforcement learning in games of two players, with "
        f"all that was measured. The method is that of {PAPER}.",
        DEMONSTRATION if small else "",
        table(["", ""], CONTENTS.items()),
        "## Loading an agent",
        f"""\
In this folder (every adapter's own `README.md` says the same for it):

```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{base.name}")
model = AutoPeftModelForCausalLM.from_pretrained("adapters/{example.folder.as_posix()}")
```

`sha256sum --check {SUMS}` tells whether all files are whole.""",
        "## The agents",
        "Games: " + ", ".join(f"{game_title(game)} (`{game}`)" for game in _games(agents)) + ".",
        table(
            ["game", "model", "agent", "learned against", "adapters"],
            _rows(agents),
        ),
        "## Their base models",
        table(
            ["model", "parameters", "fingerprint"],
            [_base_row(model) for model in bases.values()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_model_card(path: Path, base: BaseModel) -> str:
    """The card of a base model that is in the folder.

    Args:
        path: where it is below the results.
        base: what is known of it.
    """
    if path.parts[0] == "base":
        title = f"Base model {path.name}"
        text = "The model before anybody has learnt anything from matches."
    else:
        title = f"Warm start in {game_title(path.parts[1])}, {path.parts[2]}"
        text = (
            "The model that all agents of this game start from: it was trained, supervised, on matches between "
            "scripted players; `config.yaml` at the top of the folder says which, under the game's `warm_start`."
        )
    return "\n\n".join(
        [
            f"---\n{yaml.safe_dump({**base.licence(), **FRONT_MATTER}, sort_keys=False)}---",
            f"# {title}",
            text,
            *([DEMONSTRATION] if base.only_demonstrates else []),
            *([f"It was made from https://huggingface.co/{base.origin}."] if base.origin else []),
            f"{base.parameters:,} parameters, fingerprint `{base.fingerprint}`.\n",
        ]
    )


CONTENTS = {
    "`adapters/`": "a PEFT directory for every trained agent: weights, model card, settings, learning curve",
    "`models/`": "their base models, unless they are on the Hugging Face hub as they are",
    "`tables/`": "all numbers; `claims.csv` holds the paper's claims against them",
    "`figures/`": "PDF, SVG and PNG, each with a CSV of what it shows",
    "`config.yaml`": "the whole configuration, defaults included",
    "`versions.csv`": "versions of all software",
    "`LICENSE`": "the licence of what was made here",
    f"`{SUMS}`": "checksums of all files",
}


def _games(agents: Sequence[TrainedAgent]) -> list[str]:
    return list(dict.fromkeys(agent.game for agent in agents))


def _rows(agents: Sequence[TrainedAgent]) -> list[list[str]]:
    """A line for all seeds of an agent."""
    places: dict[tuple[str, ...], Path] = {}
    for agent in agents:
        facing = readable(agent.opponent) if agent.opponent else "itself"
        key = (f"`{agent.game}`", f"`{agent.model}`", readable(agent.name), facing)
        places.setdefault(key, Path("adapters", agent.folder.parent))
    return [[*key, f"`{place.as_posix()}/`"] for key, place in places.items()]


def _base_row(base: BaseModel) -> list[str]:
    name = f"`{base.name}`"
    if base.on_the_hub:
        name = f"[{base.name}](https://huggingface.co/{base.name}), revision `{base.revision}`"
    return [name, f"{base.parameters:,}", f"`{base.fingerprint}`"]
