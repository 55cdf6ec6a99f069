"""A language model that plays a game under any of its adapters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from social_dilemmas.games.game import Game
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import LEARNER, NO_ADAPTER, WEIGHTS, check_adapter
from social_dilemmas.policy.model import LanguageModel

MATRICES = ("lora_A", "lora_B")


class Policy:
    """A language model, its chat format and token masks for a game, and its adapters.

    `model` computes; it is a PEFT model once there is an adapter.
    """

    def __init__(self, language_model: LanguageModel, game: Game) -> None:
        """Raises UserError if the game begins with a system turn, and the model knows none."""
        self.language_model = language_model
        self.game = game
        self.chat = language_model.chat.with_system(game.system)
        self.masks = language_model.masks(game)
        self.model: PreTrainedModel | PeftModel = language_model.model
        self._loaded: dict[str, str] = {}  # adapters from directories, by their paths

    @property
    def adapters(self) -> list[str]:
        return list(self.model.peft_config) if isinstance(self.model, PeftModel) else []

    def add_learner(
        self, *, rank: int, alpha: float, seed: int, name: str = LEARNER
    ) -> dict[str, Parameter]:
        """Put a fresh LoRA adapter on all linear layers; gives its parameters by name, all that it trains.

        The update, of this rank, is scaled by `alpha / rank`; it is zero at first, whatever the seed.
        """
        torch.manual_seed(seed)
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        if isinstance(self.model, PeftModel):
            self.model.add_adapter(name, config)
        else:
            self.model = get_peft_model(self.model, config, adapter_name=name).eval()
        self.activate(name)
        parameters = self.model.named_parameters()
        return {key: parameter for key, parameter in parameters if parameter.requires_grad}

    def activate(self, name: str) -> None:
        """Compute with an adapter, and train it and no other."""
        self.model.set_adapter(name)

    @contextmanager
    def under(self, adapter: str | None) -> Iterator[None]:
        """Compute under an agent's loaded adapter, or without any, as matches do."""
        with adapted_layers(self.model, merge=False, adapters=(self.name_of(adapter),)):
            yield

    def load(self, adapter: str) -> None:
        """Load a frozen adapter from its directory, once; raises as `check_adapter`."""
        if adapter in self._loaded or adapter in self.adapters:
            return
        check_adapter(Path(adapter), self.language_model.path)
        name = f"frozen-{len(self._loaded)}"
        if isinstance(self.model, PeftModel):
            self.model.load_adapter(adapter, name)  # with its own rank and scale
            if LEARNER in self.adapters:
                self.model.set_adapter(LEARNER)  # loading has frozen it
        else:
            self.model = PeftModel.from_pretrained(self.model, adapter, adapter_name=name).eval()
        self._loaded[adapter] = name

    def name_of(self, adapter: str | None) -> str:
        """PEFT's name of an agent's adapter."""
        return NO_ADAPTER if adapter is None else self._loaded.get(adapter, adapter)

    def weights(self, name: str = LEARNER) -> dict[str, Tensor]:
        """An adapter's own weights, not copies."""
        weights = get_peft_model_state_dict(self.model, adapter_name=name)
        # PEFT also gives those of adapters in whose names this one stands, iteration-10 in iteration-100.
        own = {key: value for key, value in weights.items() if key.split(".")[-2] in MATRICES}
        return {key: value.detach() for key, value in own.items()}

    def write(self, name: str, output: Path) -> None:
        """Write any adapter as an inference server reads it."""
        output.mkdir(parents=True)
        self.model.peft_config[name].save_pretrained(str(output))
        tensors = {key: value.contiguous() for key, value in self.weights(name).items()}
        save_file(tensors, output / WEIGHTS)

    def put(self, name: str, weights: dict[str, Tensor]) -> None:
        """Give the learner these weights, or hold a frozen adapter of its shape under another name."""
        if name not in self.adapters:
            self.model.add_adapter(name, self.model.peft_config[LEARNER])
            for key, parameter in self.model.named_parameters():
                if f".{name}." in key:
                    parameter.requires_grad_(False)
        set_peft_model_state_dict(self.model, dict(weights), adapter_name=name)

    def drop(self, name: str) -> None:
        self.model.delete_adapter(name)
