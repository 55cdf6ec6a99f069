"""Checkpoints of a training run: complete or not there, and verified before they are used.

A checkpoint is a directory that is written under another name and renamed when it is complete. It is stamped with
a hash of the run's settings and holds a checksum of each of its files. Random states need not be stored.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from social_dilemmas.run.checksum import checksum

logger = logging.getLogger(__name__)
KEPT = 2  # complete checkpoints that are kept: the latest, and one in case it is damaged
OF_A_LEARNER = ("learner", "optimizer", "critic")


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after `iteration` iterations. `past_agents` holds adapter weights by iteration,
    `usage` is that of players behind an API.
    """

    iteration: int
    learner: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    past_agents: dict[int, dict[str, Tensor]]
    metrics: str
    critic: dict[str, Tensor] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = None

    def part(self, name: str) -> "Checkpoint":
        """What the learner of this name has put into a `joined` checkpoint."""
        prefix = f"{name}/"
        own: dict[str, Any] = {
            kind: {
                key.removeprefix(prefix): tensor
                for key, tensor in getattr(self, kind).items()
                if key.startswith(prefix)
            }
            for kind in OF_A_LEARNER
        }
        return replace(self, **own)


def joined(parts: Mapping[str, Checkpoint]) -> Checkpoint:
    """One checkpoint of several learners, by name, after the same iterations; past agents they have none."""
    together: dict[str, Any] = {
        kind: {
            f"{name}/{key}": tensor
            for name, part in parts.items()
            for key, tensor in getattr(part, kind).items()
        }
        for kind in OF_A_LEARNER
    }
    return replace(next(iter(parts.values())), **together)


def moments(optimizer: Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What Adam remembers of these parameters, as `name/key`."""
    return {
        f"{name}/{key}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
    }


def restore_moments(
    optimizer: Optimizer, parameters: Mapping[str, Tensor], stored: Mapping[str, Tensor]
) -> None:
    """Let Adam go on from what `moments` gave."""
    for name, parameter in parameters.items():
        averages = ("exp_avg", "exp_avg_sq")
        optimizer.state[parameter] = {
            "step": stored[f"{name}/step"],  # stays on the CPU
            **{key: stored[f"{name}/{key}"].to(parameter.device) for key in averages},
        }


class CheckpointFolder:
    """The checkpoints of one run, in a folder that is made when needed.

    `settings` are everything that the run depends on; checkpoints of other settings are never used.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder, self._agents = folder, folder / "past-agents"
        text = json.dumps(settings, sort_keys=True, default=str)
        self._stamp = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self._written: set[int] = set()  # past agents, by iteration

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; all others but for this run's last are removed, and what only they needed."""
        self._agents.mkdir(parents=True, exist_ok=True)
        # Shared by all checkpoints. Written once by every process: what an earlier one left may be damaged.
        for iteration in checkpoint.past_agents.keys() - self._written:
            path = self._agent(iteration)
            save_file(checkpoint.past_agents[iteration], path.with_suffix(".partial"))
            path.with_suffix(".partial").rename(path)
            self._written.add(iteration)
        final = self._folder / f"iteration-{checkpoint.iteration:06d}"
        partial = self._folder / f"{final.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._write(checkpoint, partial)
        except Exception:  # such as a full disk, to which it gives back what it took
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        self._tidy()

    def _write(self, checkpoint: Checkpoint, folder: Path) -> None:
        folder.mkdir()
        save_file(checkpoint.learner, folder / "learner.safetensors")
        save_file(checkpoint.optimizer, folder / "optimizer.safetensors")
        save_file(checkpoint.critic, folder / "critic.safetensors")
        (folder / "metrics.csv").write_text(checkpoint.metrics)
        past = checkpoint.past_agents
        state = {
            "settings": self._stamp,
            "iteration": checkpoint.iteration,
            "usage": checkpoint.usage,
            "past_agents": {str(agent): checksum(self._agent(agent)) for agent in past},
            "files": {path.name: checksum(path) for path in sorted(folder.iterdir())},
        }
        (folder / "state.json").write_text(json.dumps(state, indent=1) + "\n")

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole and belongs to these settings, if there is one.

        A damaged one is passed over with a warning, and one of other settings with a remark.
        """
        for path in self._found():
            try:
                state = json.loads((path / "state.json").read_text())
                if state["settings"] != self._stamp:
                    logger.warning("%s: belongs to other settings and isn't used", path)
                    continue
                return self._load(path, state)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("%s: damaged checkpoint, trying the one before it (%s)", path, error)
        return None

    def remove(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tidy(self) -> None:
        own = [(path, state) for path in self._found() if (state := self._own_state(path))][:KEPT]
        for path in set(self._found()) - {path for path, _ in own}:
            shutil.rmtree(path)
        needed = {self._agent(agent) for _, state in own for agent in state["past_agents"]}
        for path in {*self._agents.iterdir()} - needed:
            path.unlink()

    def _own_state(self, path: Path) -> dict[str, Any] | None:
        """What a checkpoint of these settings says of itself; None for any other."""
        try:
            state: dict[str, Any] = json.loads((path / "state.json").read_text())
            return state if state["settings"] == self._stamp else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _load(self, path: Path, state: Mapping[str, Any]) -> Checkpoint:
        agents = {iteration: self._agent(iteration) for iteration in state["past_agents"]}
        expected = {path / name: hashed for name, hashed in state["files"].items()}
        expected |= {
            agents[iteration]: hashed for iteration, hashed in state["past_agents"].items()
        }
        for file, hashed in expected.items():
            if checksum(file) != hashed:
                raise ValueError(f"{file.name} is not what was written")
        return Checkpoint(
            iteration=state["iteration"],
            learner=load_file(path / "learner.safetensors"),
            optimizer=load_file(path / "optimizer.safetensors"),
            past_agents={int(iteration): load_file(file) for iteration, file in agents.items()},
            metrics=(path / "metrics.csv").read_text(),
            critic=load_file(path / "critic.safetensors"),
            usage=state["usage"],
        )

    def _found(self) -> list[Path]:
        """Complete checkpoints, newest first."""
        return sorted(self._folder.glob("iteration-??????"), reverse=True)

    def _agent(self, iteration: int | str) -> Path:
        return self._agents / f"{self._stamp}-{iteration}.safetensors"
