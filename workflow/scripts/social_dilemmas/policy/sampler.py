"""Language-model players: many conversations sampled together, whatever adapter each of them runs under."""

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from itertools import count, takewhile
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import ModuleList
from transformers import PreTrainedModel

from social_dilemmas.agents.play import Place
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.adapted_layers import RowAdapters, adapted_layers
from social_dilemmas.policy.branch import Branch
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.masks import DONE
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.randomness import stream

ROOM = 1.25  # most rows that a forward pass may cover, for each that speaks
# Floating-point operations in the time of starting a layer, on a CPU core (0.3 ms, measured) or a GPU (guessed).
LAYER_OPERATIONS = {"cpu": 1.3e7, "cuda": 1e11}

NamesOf = Callable[[Turn], Sequence[object]]
"""Names the random stream of all replies in a conversation, from its first turn."""


def in_order(*purpose: object) -> NamesOf:
    """A random stream for every conversation, by the order in which they begin."""
    numbers = count()
    return lambda turn: (*purpose, next(numbers))


@dataclass(frozen=True)
class PolicySampler:
    """Samples from the policy itself.

    Attributes:
        policy: the model with its adapters.
        names_of: names each conversation's random stream, so that what is said doesn't depend on which other
            conversations share the batch.
        temperature: divides the logits before sampling.
        max_new_tokens: limit of a reply; free text is closed in time, so that every reply stays valid.
        merge_adapter: see `adapted_layers`.
        share: whether conversations are computed together as long as they are the same; off, they are separate from the
            beginning, to measure what sharing saves.
    """

    policy: Policy
    names_of: NamesOf
    _: KW_ONLY
    temperature: float = 1.0
    max_new_tokens: int
    merge_adapter: bool = False
    share: bool = True

    @contextmanager
    def seated(self, adapters: Mapping[Place, str | None]) -> Iterator["LanguageModelPlayer"]:
        """A player for these seats of new matches; raises UserError if an adapter can't be loaded."""
        for adapter in sorted({each for each in adapters.values() if each}):
            self.policy.load(adapter)
        names = {place: self.policy.name_of(adapter) for place, adapter in adapters.items()}
        in_play = set(names.values())
        adapted = adapted_layers(self.policy.model, self.merge_adapter, in_play)
        with torch.no_grad(), adapted as assigned:
            yield LanguageModelPlayer(self, names, assigned)


class LanguageModelPlayer:
    """Plays any number of seats with one model; turns only append to the key-value cache.

    Seats whose conversations are the same share a branch, until they are asked or draw different things.
    """

    def __init__(
        self,
        sampler: PolicySampler,
        adapters: Mapping[Place, str],
        assigned: RowAdapters,
    ) -> None:
        """A player for seats of new matches, by PEFT's names of their adapters, to which `assigned` assigns rows."""
        self._sampler = sampler
        self._chat = sampler.policy.chat
        self._masks = sampler.policy.masks
        self._model = sampler.policy.model
        self._cache = RaggedCache(self._model.config)
        self._assigned = assigned
        self._pass_tokens = pass_tokens(self._model)
        self._draws: dict[Place, random.Random] = {}
        alike = [*grouped(adapters, adapters.__getitem__).values()]  # places, by adapter
        if not sampler.share:
            alike = [[place] for place in adapters]
        self._branches = [
            Branch(adapters[places[0]], places, row) for row, places in enumerate(alike)
        ]
        self._branch_of = {place: branch for branch in self._branches for place in branch.places}

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far; seats with the same conversation share it."""
        return self._branch_of[match, seat].trajectory

    @torch.inference_mode()
    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """Sampled replies, valid by construction."""
        asked = self._ask(turns)
        while speaking := [branch for branch in asked if branch.trajectory.state != DONE]:
            self._arrange(speaking)
            logits = self._forward({each: each.tokens[each.cached :] for each in speaking})
            for branch in speaking:
                branch.trajectory.limit(self._sampler.max_new_tokens, self._masks)
            for branch, tokens in zip(speaking, self._draw(speaking, logits), strict=True):
                parts = [branch]
                if len({*tokens}) > 1:
                    token_of = dict(zip(branch.places, tokens, strict=True))
                    groups = grouped(branch.places, token_of.__getitem__)
                    tokens, parts = [*groups], self._split(branch, [*groups.values()])
                    asked += parts[1:]
                for part, token in zip(parts, tokens, strict=False):
                    part.trajectory.take(token, self._masks)
        replies = {branch: branch.trajectory.text(self._chat) for branch in asked}
        return [replies[self._branch_of[turn.match, turn.seat]] for turn in turns]

    def _ask(self, turns: Sequence[Turn]) -> list[Branch]:
        """Append turns to their conversations; gives the branches of these."""
        turn_of = {(turn.match, turn.seat): turn for turn in turns}
        for place, turn in turn_of.items():
            if place not in self._draws:
                self._draws[place] = stream(*self._sampler.names_of(turn))

        def what(place: Place) -> tuple[object, ...]:
            turn = turn_of[place]
            return turn.prompt, turn.grammar, turn.round, turn.slip

        asked = {}  # branches, and groups of their places that are asked the same
        for branch, places in grouped(turn_of, self._branch_of.__getitem__).items():
            (part,) = self._split(branch, [places])
            asked[part] = [*grouped(places, what).values()]
        prompts = {
            branch: [turn_of[place].prompt for place, *_ in groups]
            for branch, groups in asked.items()
        }
        self._read_together(prompts)
        parts = [part for branch, groups in asked.items() for part in self._split(branch, groups)]
        for part in parts:
            part.trajectory.ask(turn_of[part.places[0]], self._chat, self._masks)
        return parts

    def _split(self, branch: Branch, groups: Sequence[list[Place]]) -> list[Branch]:
        """A branch for each group of a branch's places; see `Branch.split`."""
        parts = branch.split(groups)
        for part in parts:
            if part is not branch:
                self._branches.append(part)
                self._branch_of.update(dict.fromkeys(part.places, part))
        return parts

    def _read_together(self, prompts: Mapping[Branch, Sequence[str]]) -> None:
        """Read how all prompts of a branch begin, before it splits, if that saves more than a pass costs."""
        chunks, saved = {}, 0
        for branch, its_prompts in prompts.items():
            if len(its_prompts) < 2:
                continue
            told = [branch.trajectory.framed(prompt, self._chat) for prompt in its_prompts]
            columns = list(zip(*told, strict=False))[:-1]  # one token is left to be read
            alike = [column[0] for column in takewhile(lambda each: len({*each}) == 1, columns)]
            if alike:
                chunks[branch] = [*branch.tokens[branch.cached :], *alike]
                saved += len(chunks[branch]) * (len(told) - 1)
        if saved > self._pass_tokens:
            self._arrange([*chunks])
            self._forward(chunks)

    def _arrange(self, speaking: Sequence[Branch]) -> None:
        """Give each branch a row of its own, those that speak next to each other, where that isn't so."""
        now = {*speaking}
        places = [place for place, branch in enumerate(self._branches) if branch in now]
        if places[-1] - places[0] >= ROOM * len(places):
            self._branches.sort(key=lambda branch: (branch not in now, branch.adapter))
        rows = [branch.row for branch in self._branches]
        if rows != [*range(len(rows))]:
            self._cache.arrange(rows)
            for row, branch in enumerate(self._branches):
                branch.row = row

    def _forward(self, reading: Mapping[Branch, list[int]]) -> Tensor:
        """Read tokens that the cache doesn't hold yet; (reading, vocabulary) float32 logits after the last of them."""
        device = self._model.device
        first = min(branch.row for branch in reading)
        covered = slice(first, max(branch.row for branch in reading) + 1)
        in_rows = self._branches[covered]
        chunks = [reading.get(branch, []) for branch in in_rows]
        width = max(map(len, chunks))
        tokens = torch.tensor(  # padding is overwritten in the cache by the row's next turn
            [chunk + [0] * (width - len(chunk)) for chunk in chunks], device=device
        )  # (rows, width)
        starts = torch.tensor([branch.cached for branch in in_rows], device=device)
        positions = starts[:, None] + torch.arange(width, device=device)  # (rows, width)
        self._assigned.assign([branch.adapter for branch in in_rows], device)
        last = torch.tensor([len(chunk) - 1 for chunk in reading.values()], device=device)
        kept, column = last.unique(return_inverse=True)
        logits = self._model(
            input_ids=tokens,
            attention_mask=self._cache.place(covered, positions),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
        ).logits  # (rows, kept, vocabulary)
        rows = torch.tensor([branch.row - first for branch in reading], device=device)
        for branch, chunk in reading.items():
            branch.cached += len(chunk)
        return logits[rows, column].float()

    def _draw(self, speaking: Sequence[Branch], logits: Tensor) -> list[list[int]]:
        """The tokens that the places of each branch draw."""
        states = torch.tensor([branch.trajectory.state for branch in speaking])  # (speaking,)
        allowed = self._masks.allowed[states].to(logits.device)  # (speaking, vocabulary)
        columns = allowed.any(0).nonzero()[:, 0]  # tokens that somebody may choose now
        scores = (logits[:, columns] / self._sampler.temperature).masked_fill(
            ~allowed[:, columns], -torch.inf
        )
        cumulative = scores.softmax(-1).double().cumsum(-1)  # (speaking, columns)
        if not cumulative[:, -1].isfinite().all():
            path = self._sampler.policy.language_model.path
            raise UserError(
                f"{path}: the model's probabilities, under an adapter or not, aren't finite"
            )
        draws = [[self._draws[place].random() for place in branch.places] for branch in speaking]
        most = max(map(len, draws))
        drawn = torch.tensor(
            [[*its, *[0.0] * (most - len(its))] for its in draws],
            dtype=torch.double,
            device=cumulative.device,
        )  # (speaking, most)
        chosen = torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True)
        tokens = columns[chosen].tolist()
        return [each[: len(its)] for each, its in zip(tokens, draws, strict=True)]


T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def grouped(values: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The values by their key, in order."""
    groups: dict[K, list[T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups


def pass_tokens(model: PreTrainedModel) -> float:
    """How many tokens take a model as long as starting a forward pass does."""
    layers = next(part for part in model.get_decoder().children() if isinstance(part, ModuleList))
    parameters = sum(each.numel() for layer in layers for each in layer.parameters())
    return LAYER_OPERATIONS[model.device.type] * len(layers) / (2 * parameters)
