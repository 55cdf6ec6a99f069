"""Model cards: the README.md of an adapter's directory, as the Hugging Face hub shows it.

A training writes one with what is known then. `make publish` writes it again, with the scores and with paths in the
published folder, see `social_dilemmas.publication`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.games import game_of
from social_dilemmas.report.names import readable

CARD = "README.md"
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # those that its --max-lora-rank takes
SMALL = 50_000_000  # parameters; what is below is no language model to speak of
PAPER = "[Learning Robust Social Strategies with Large Language Models](https://arxiv.org/abs/2511.19405)"

DEMONSTRATION = (
    "The base model is a small one that the workflow builds itself and teaches to play by showing it matches between "
    "scripted players. It knows nothing but the sentences of the games. It shows the mechanism and tests the "
    "machinery; **it is no evidence about large language models**, and it is of no use for anything but these games."
)


@dataclass(frozen=True)
class BaseModel:
    """What a card says of the model that an adapter belongs to.

    Attributes:
        name: where to get it: a path that whoever has the adapter also has, or a name on the hub.
        fingerprint: as recorded beside the adapter, see `generation.model.model_fingerprint`.
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

    def licence(self) -> dict[str, str]:
        """Licence of what is trained on top of it, as the hub reads it."""
        if self.origin is None:
            return {"license": "mit"}
        return {
            "license": "other",
            "license_name": "mit-and-that-of-the-base-model",
            "license_link": f"https://huggingface.co/{self.origin}",
        }


def write_model_card(
    adapter: Path, record: Mapping[str, Any], base: Path, fingerprint: str
) -> None:
    """Write the card of an adapter that was just trained.

    Args:
        adapter: its directory.
        record: what the run was, as in its `config.yaml`: seed, game, settings, opponent.
        base: directory of the base model.
        fingerprint: of the base model.
    """
    model = BaseModel(base.as_posix(), fingerprint, parameter_count(base))
    agent = readable(record["settings"]["credit"])
    text = model_card(agent, record, model, adapter.as_posix())
    (adapter / CARD).write_text(text, encoding="utf-8")


def model_card(
    agent: str, record: Mapping[str, Any], base: BaseModel, folder: str, scores: str = ""
) -> str:
    """The card of an adapter.

    Args:
        agent: name of the agent as people read it.
        record: what the run was, as in its `config.yaml`.
        base: its base model.
        folder: where the adapter is, for whoever reads the card.
        scores: a section in Markdown; empty where nothing is known.
    """
    game, seed, opponent = record["game"], record["seed"], record.get("opponent")
    title = game_of(game).title
    facing = f"against {readable(opponent['name'])}" if opponent else "in self-play"
    licence = "MIT"
    if base.origin is not None:
        licence += f" for the adapter; the base model has a licence of its own, see https://huggingface.co/{base.origin}"
    facts = {
        "game": f"{title} (`{game['name']}`), {_rounds(game['rounds'])}",
        "rules": _listed(game.get("rules", {})) or "the default ones",
        "algorithm": f"{agent} (`{record['settings']['credit']}`), {facing}",
        "seed": str(seed),
        "base model": f"`{base.name}`" + (f", revision `{base.revision}`" if base.revision else ""),
        "its fingerprint": f"`{base.fingerprint}`",
        "its size": f"{base.parameters:,} parameters",
        "training": _training(record["settings"]),
        "licence": licence,
    }
    parts = [
        _front_matter(base, game["name"]),
        f"# {agent} in {title}, seed {seed}",
        f"A LoRA adapter, trained by reinforcement learning {facing} to play a game of two players in text. "
        f"The method is that of {PAPER}.",
        DEMONSTRATION if base.only_demonstrates else "",
        table(["", ""], facts.items()),
        "All settings are in `config.yaml` beside the adapter, or one folder up.",
        "## Loading it",
        _how_to_load(base, folder, record["settings"]["lora_rank"]),
        scores,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|".join(["", *(f" {cell} ".replace("  ", " ") for cell in cells), ""]) for cells in lines
    )


def parameter_count(model: Path) -> int:
    """Number of parameters in a model directory, from the headers of its weights files."""
    count = 0
    for path in model.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for width in tensor["shape"]:
                    size *= width
                count += size
    return count


def _front_matter(base: BaseModel, game: str) -> str:
    """What the hub reads: the base model, the licence, tags."""
    name = {"base_model": base.name} if base.on_the_hub else {}  # the hub refuses paths here
    facts = {
        **name,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        **base.licence(),
        "tags": ["lora", "reinforcement-learning", "social-dilemmas", game],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _how_to_load(base: BaseModel, folder: str, rank: int) -> str:
    revision = f', revision="{base.revision}"' if base.revision else ""
    served = f" --revision {base.revision}" if base.revision else ""
    rank = next((allowed for allowed in VLLM_RANKS if allowed >= rank), rank)
    return f"""\
```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "{base.name}"
tokenizer = AutoTokenizer.from_pretrained(base{revision})
model = AutoModelForCausalLM.from_pretrained(base{revision})
model = PeftModel.from_pretrained(model, "{folder}")
```

vLLM serves it with `--model {base.name}{served} --enable-lora --max-lora-rank {rank} --lora-modules \
agent={folder}`.

In training the model could only sample replies that the game's grammar admits; a program that plays the game has to
see to that too, as the workflow's own does."""


def _training(settings: Mapping[str, Any]) -> str:
    """The settings that matter most, in a line."""
    parts = [
        f"{settings['iterations']} iterations",
        f"{settings['matches']} matches an iteration in groups of {settings['group_size']}",
        f"LoRA rank {settings['lora_rank']}, alpha {settings['lora_alpha']}, on all linear layers",
        f"Adam, learning rate {settings['learning_rate']}",
        f"discount {settings['discount']}",
        f"reward scale {settings['reward_scale']}",
        *(f"{words} {settings[key]}" for key, words in OPTIONAL.items() if settings.get(key)),
    ]
    if settings["buffer"]["size"]:
        parts.append(f"a buffer of {settings['buffer']['size']} past agents")
    return ", ".join(parts)


OPTIONAL = {
    "beta": "beta",
    "kl_coefficient": "KL coefficient",
    "entropy_coefficient": "entropy coefficient",
}
"""Settings that say nothing where they are zero."""


def _rounds(rounds: int | Mapping[str, Any]) -> str:
    return f"{rounds} rounds" if isinstance(rounds, int) else f"rounds: {_listed(rounds)}"


def _listed(values: Mapping[str, Any]) -> str:
    """Values by their names, on one line."""
    text = yaml.safe_dump(dict(values), sort_keys=False, default_flow_style=True, width=10_000)
    return f"`{text.strip()}`" if values else ""
