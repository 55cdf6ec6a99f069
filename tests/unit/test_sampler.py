"""Sampling with a kept cache: the same distribution as reading every conversation anew."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tests.unit.mixed_adapters import (
    ADAPTERS,
    adapter_by_place,
    logits_read_anew,
    with_two_adapters,
)
from torch import Tensor

from social_dilemmas.agents.play import play
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Literal
from social_dilemmas.policy.adapters import (
    LEARNER,
    NO_ADAPTER,
    folded,
)
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.sampler import (
    CachedConversation,
    LanguageModelPlayer,
    streams_in_order,
)
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.randomness import stream

MASKS: dict[tuple[int, str], TokenMasks] = {}


class Witness(LanguageModelPlayer):
    """Writes down prompts, replies, and the logits from which every token was drawn."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.seen: list[tuple[Trajectory, str | None, int, Tensor]] = []
        self.said: dict[tuple[Match, int], list[tuple[str, str]]] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        replies = super().reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            self.said.setdefault((turn.match, turn.seat), []).append((turn.prompt, reply))
        return replies

    def _next_logits(self, speaking: Sequence[CachedConversation]) -> Tensor:
        logits = super()._next_logits(speaking)
        for conversation, row in zip(speaking, logits, strict=True):
            length = len(conversation.trajectory.tokens)
            self.seen.append((conversation.trajectory, conversation.adapter, length, row.clone()))
        return logits


def witness(
    language_model: LanguageModel,
    name: str,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    limit: int = 12,
    adapter_of: Callable[[Turn], str] | None = None,
) -> Witness:
    key = (id(language_model), name)
    if key not in MASKS:
        MASKS[key] = language_model.masks(build_game(name, 1))
    return Witness(
        language_model.model,
        language_model.chat,
        MASKS[key],
        streams_in_order(seed),
        temperature=temperature,
        max_new_tokens=limit,
        adapter_of=adapter_of,
    )


def played(
    player: LanguageModelPlayer, name: str, rounds: Sequence[int] = (4, 4, 2, 3)
) -> list[Match]:
    """Matches of these lengths in which the player sits in both seats."""
    matches = [build_game(name, count).start(seed) for seed, count in enumerate(rounds)]
    play(matches, [(player, player)] * len(matches))
    return matches


def trajectories(player: LanguageModelPlayer, matches: Sequence[Match]) -> list[Trajectory]:
    return [player.trajectory(match, seat) for match in matches for seat in (0, 1)]


@pytest.fixture(scope="module")
def mixed(base_model: Path) -> LanguageModel:
    return with_two_adapters(load_model(base_model, "cpu"))


@pytest.mark.parametrize("name", game_names())
@pytest.mark.parametrize("limit", [1, 5, 400])
def test_every_reply_is_valid(tiny: LanguageModel, name: str, limit: int) -> None:
    player = witness(tiny, name, limit=limit)
    for match in played(player, name):
        assert match.invalid == [0, 0]


def test_a_message_is_closed_in_time(tiny: LanguageModel) -> None:
    player = witness(tiny, "trust_and_split", limit=6)
    matches = played(player, "trust_and_split", rounds=(3,) * 6)
    replies = [
        tiny.chat.encode_text(reply)
        for said in player.said.values()
        for prompt, reply in said
        if "Send your message" in prompt
    ]
    assert len(replies) == 2 * 3 * len(matches)
    closing = "</message>"
    for trajectory in trajectories(player, matches):
        text = tiny.chat.decode(tuple(trajectory.tokens))
        assert text.count(closing) >= 3
        for position, state in zip(trajectory.positions, trajectory.states, strict=True):
            assert player._masks.forced[state] is None
            assert player._masks.allowed[state, trajectory.tokens[position]]
    # without a limit the untrained model goes on for longer
    free = witness(tiny, "trust_and_split", limit=400)
    longer = played(free, "trust_and_split", rounds=(3,) * 6)
    assert max(len(t.tokens) for t in trajectories(free, longer)) > 1.5 * max(
        len(t.tokens) for t in trajectories(player, matches)
    )


@pytest.mark.parametrize("name", game_names())
def test_logits_with_the_cache_are_those_of_a_pass_of_its_own(
    tiny: LanguageModel, name: str
) -> None:
    player = witness(tiny, name)
    matches = played(player, name)
    assert len({len(t.tokens) for t in trajectories(player, matches)}) > 1
    assert len(player.seen) > 20
    for trajectory, _, length, logits in player.seen:
        anew = logits_read_anew(tiny.model, None, trajectory.tokens[:length])
        torch.testing.assert_close(logits, anew, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", game_names())
def test_mixed_adapters_are_each_a_pass_of_its_own(mixed: LanguageModel, name: str) -> None:
    player = witness(mixed, name, adapter_of=adapter_by_place)
    played(player, name)
    assert {adapter for _, adapter, _, _ in player.seen} == {*ADAPTERS}
    for trajectory, adapter, length, logits in player.seen:
        anew = logits_read_anew(mixed.model, adapter, trajectory.tokens[:length])
        torch.testing.assert_close(logits, anew.float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["prisoners_dilemma", "trust_and_split"])
@pytest.mark.parametrize(
    "adapters", [ADAPTERS, (LEARNER, "second"), (LEARNER, NO_ADAPTER), ("second",), (NO_ADAPTER,)]
)
def test_folded_adapters_in_one_batch_say_what_peft_says(
    mixed: LanguageModel, name: str, adapters: tuple[str, ...]
) -> None:
    """The same logits and log-probabilities up to rounding, hence the same words."""

    def adapter_of(turn: Turn) -> str:
        return adapters[(turn.match.seed + turn.seat) % len(adapters)]

    def sampled(fold: bool) -> tuple[Witness, list[Trajectory]]:
        player = witness(mixed, name, adapter_of=adapter_of)
        with torch.no_grad(), folded(mixed.model, fold, adapters):
            return player, trajectories(player, played(player, name))

    (plain, expected), (quick, found) = sampled(False), sampled(True)
    assert found == expected
    assert {adapter for _, adapter, _, _ in quick.seen} == {*adapters}
    for (_, adapter, _, logits), (_, other, _, others) in zip(plain.seen, quick.seen, strict=True):
        assert adapter == other
        torch.testing.assert_close(others, logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(
            others.log_softmax(-1), logits.log_softmax(-1), atol=1e-5, rtol=0
        )


def test_the_adapters_differ(mixed: LanguageModel) -> None:
    tokens = [*mixed.chat.opening("Reply with <A> or <B> and nothing else.")]
    logits = [logits_read_anew(mixed.model, adapter, tokens) for adapter in ADAPTERS]
    assert min((logits[i] - logits[j]).abs().max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.05


@pytest.mark.parametrize("name", game_names())
def test_a_mixed_batch_says_what_separate_matches_say(mixed: LanguageModel, name: str) -> None:
    """At a temperature near zero, where chance plays no part."""
    together = witness(mixed, name, temperature=1e-4, adapter_of=adapter_by_place)
    expected = trajectories(together, played(together, name))
    found = []
    for seed, rounds in enumerate((4, 4, 2, 3)):
        alone = witness(mixed, name, temperature=1e-4, adapter_of=adapter_by_place)
        match = build_game(name, rounds).start(seed)
        play([match], [(alone, alone)])
        found += trajectories(alone, [match])
    assert found == expected


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_frequencies_are_the_probabilities(tiny: LanguageModel, temperature: float) -> None:
    """Chi-square of the first number of a claim; 29.6 is exceeded once in a thousand seeds."""
    match = build_game("split", 1).start(3)
    player = witness(tiny, "split", temperature=temperature)
    same = [build_game("split", 1).start(3) for _ in range(1500)]
    play(same, [(player, player)] * len(same))
    state = player._masks.start(match.turns()[0].grammar)
    options = player._masks.allowed[state]
    opening = [*tiny.chat.opening(match.turns()[0].prompt)]
    scores = logits_read_anew(tiny.model, None, opening) / temperature
    expected = scores.masked_fill(~options, -torch.inf).softmax(-1) * len(same)
    drawn = Counter(player.trajectory(m, 0).tokens[len(opening)] for m in same)
    tokens = options.nonzero()[:, 0].tolist()
    assert {*drawn} <= {*tokens}
    frequent = [token for token in tokens if expected[token] >= 5]
    assert len(frequent) > 3
    chi_square = sum(
        (drawn[token] - expected[token].item()) ** 2 / expected[token].item() for token in frequent
    )
    assert chi_square < 29.6


@pytest.mark.parametrize("name", game_names())
def test_what_is_said_does_not_depend_on_the_rest_of_the_batch(
    mixed: LanguageModel, name: str
) -> None:
    def said_by(seeds: Sequence[int]) -> dict[tuple[int, int], list[int]]:
        player = LanguageModelPlayer(
            mixed.model,
            mixed.chat,
            mixed.masks(build_game(name, 3)),
            lambda turn: stream("reply", turn.match.seed, turn.seat),
            max_new_tokens=12,
        )
        matches = [build_game(name, 3).start(seed) for seed in seeds]
        play(matches, [(player, player)] * len(matches))
        return {
            (match.seed, seat): player.trajectory(match, seat).tokens
            for match in matches
            for seat in (0, 1)
        }

    whole = said_by([4, 7, 5, 6])
    assert whole == said_by([5, 4]) | said_by([7, 6])
    assert len({tuple(tokens) for tokens in whole.values()}) > 1


@pytest.mark.parametrize("name", game_names())
def test_the_seed_decides_all(tiny: LanguageModel, name: str) -> None:
    def sampled(seed: int) -> list[Trajectory]:
        player = witness(tiny, name, seed=seed)
        return trajectories(player, played(player, name))

    assert sampled(0) == sampled(0)
    assert sampled(0) != sampled(1)


@pytest.mark.parametrize("name", game_names())
def test_a_transcript_is_what_was_said_framed_as_a_chat(
    tiny: LanguageModel, chat: ChatFormat, name: str
) -> None:
    player = witness(tiny, name)
    for match in played(player, name):
        for seat in (0, 1):
            tokens = tuple(player.trajectory(match, seat).tokens)
            begin = 0
            for index, (prompt, reply) in enumerate(player.said[match, seat]):
                frame = chat.following(prompt) if index else chat.opening(prompt)
                assert tokens[begin : begin + len(frame)] == frame
                begin += len(frame)
                end = tokens.index(chat.end_token, begin)
                assert chat.decode(tokens[begin:end]) == reply
                begin = end + 1
            assert begin == len(tokens)


@pytest.mark.parametrize("name", game_names())
def test_choices_are_marked_with_their_rounds(tiny: LanguageModel, name: str) -> None:
    player = witness(tiny, name)
    for match in played(player, name):
        for seat in (0, 1):
            trajectory = player.trajectory(match, seat)
            assert sorted({*trajectory.rounds}) == [*range(len(match.history))]
            assert trajectory.rounds == sorted(trajectory.rounds)
            assert trajectory.positions == sorted(trajectory.positions)
            # a free choice in every round for every part of a reply that isn't fixed
            parts = [part for grammar in build_game(name, 1).grammars() for part in grammar.parts]
            least = sum(not isinstance(part, Literal) for part in parts)
            assert min(Counter(trajectory.rounds).values()) >= least


def test_a_cached_token_is_read_once(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is kept over turns: about as many tokens go in as the conversations hold."""
    read = 0
    forward = tiny.model.forward

    def counting(*arguments: object, input_ids: Tensor, **options: object) -> object:
        nonlocal read
        read += input_ids.numel()
        return forward(*arguments, input_ids=input_ids, **options)

    monkeypatch.setattr(tiny.model, "forward", counting)
    player = witness(tiny, "split")
    matches = played(player, "split", rounds=(10,) * 4)
    held = sum(len(trajectory.tokens) for trajectory in trajectories(player, matches))
    assert held - 4 * 2 * 2 <= read <= 1.1 * held
