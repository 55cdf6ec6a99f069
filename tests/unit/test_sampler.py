"""Sampling with a kept cache: the same distribution as reading every conversation anew."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import GAMES
from tests.unit.mixed_adapters import ADAPTERS, logits_of, with_two_adapters
from torch import Tensor

from social_dilemmas.agents.agent import WARM_START, Agent
from social_dilemmas.agents.play import Players, Slips, play_batch
from social_dilemmas.agents.slips import trembles
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Match, Turn
from social_dilemmas.games.grammar import Literal
from social_dilemmas.policy import sampler as sampler_module
from social_dilemmas.policy.adapters import LEARNER, NO_ADAPTER
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import NamesOf, PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.policy.tree import prefix_tree
from social_dilemmas.randomness import stream

PolicyOf = Callable[[str], Policy]
MODEL = (NO_ADAPTER,)  # the model without an adapter in both seats


@dataclass
class Played:
    """Finished matches with the trajectories of both seats, and all that was said."""

    matches: list[Match]
    trajectories: list[Trajectory]
    adapters: list[str]
    said: dict[tuple[Match, int], list[tuple[str, str]]] = field(default_factory=dict)


def agent_under(adapter: str) -> Agent:
    return Agent(WARM_START) if adapter == NO_ADAPTER else Agent(adapter, adapter=adapter)


def sample(
    policy: Policy,
    matches: Sequence[Match],
    names_of: NamesOf | None = None,
    adapters: Sequence[str] = MODEL,
    slips: Slips | None = None,
    **options: Any,
) -> Played:
    """Play matches; every seat has another of the adapters, and so has the same seat of the next match."""
    names = [[adapters[(match.seed + seat) % len(adapters)] for seat in SEATS] for match in matches]
    said: dict[tuple[Match, int], list[tuple[str, str]]] = {}

    def listen(turn: Turn, reply: str) -> None:
        said.setdefault((turn.match, turn.seat), []).append((turn.prompt, reply))

    sampler = PolicySampler(policy, names_of or in_order(0), **{"max_new_tokens": 12, **options})
    seats = [(agent_under(first), agent_under(second)) for first, second in names]
    player = play_batch(matches, seats, Players(policy.game), sampler, listen, slips)
    assert player is not None
    trajectories = [player.trajectory(match, seat) for match in matches for seat in SEATS]
    return Played(list(matches), trajectories, [each for pair in names for each in pair], said)


def matches_of(name: str, rounds: Sequence[int] = (4, 4, 2, 3)) -> list[Match]:
    """New matches of these lengths, with seeds in order."""
    return [build_game(name, count).start(seed) for seed, count in enumerate(rounds)]


@pytest.fixture(scope="module")
def plain(base_model: Path) -> PolicyOf:
    """Gives the model without adapters for a game."""
    return cache(lambda name: Policy(load_model(base_model, "cpu"), build_game(name, 1)))


@pytest.fixture(scope="module")
def mixed(base_model: Path) -> PolicyOf:
    """Gives the model with two adapters for a game."""
    return cache(lambda name: with_two_adapters(load_model(base_model, "cpu"), build_game(name, 1)))


@contextmanager
def seen_logits(policy: Policy) -> Iterator[list[Tensor]]:
    """Collects the logits of all forward passes, (rows, vocabulary) each."""
    seen: list[Tensor] = []
    handle = policy.model.register_forward_hook(
        lambda module, inputs, output: seen.append(output.logits.flatten(0, 1).double())
    )
    yield seen
    handle.remove()


def assert_seen(seen: Sequence[Tensor], policy: Policy, played: Played) -> None:
    """The logits before every action token are those of a forward pass of its own, to 1e-5."""
    anew = []
    for trajectory, adapter in zip(played.trajectories, played.adapters, strict=True):
        active = adapter if policy.adapters else None
        logits = logits_of(policy.model, active, trajectory.tokens)  # (tokens, vocabulary)
        anew.append(logits[[position - 1 for position in trajectory.positions]].double())
    expected, found = torch.cat(anew), torch.cat([*seen])
    assert len(expected) > 20
    distances = torch.cdist(expected, found, p=torch.inf)  # (action tokens, forward passes)
    assert distances.min(1).values.max() < 1e-5


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("limit", [1, 5, 400])
def test_every_reply_is_valid(plain: PolicyOf, name: str, limit: int) -> None:
    for match in sample(plain(name), matches_of(name), max_new_tokens=limit).matches:
        assert match.invalid == [0, 0]


def test_a_message_is_closed_in_time(plain: PolicyOf, tiny: LanguageModel) -> None:
    policy, rounds = plain("trust_and_split"), (3,) * 6
    played = sample(policy, matches_of("trust_and_split", rounds), max_new_tokens=6)
    for said in played.said.values():
        messages = [reply for prompt, reply in said if "Send your message" in prompt]
        assert len(messages) == 3
        assert all(message.endswith("</message>") for message in messages)
    masks = policy.masks
    for trajectory in played.trajectories:
        for position, state in zip(trajectory.positions, trajectory.states, strict=True):
            assert masks.forced[state] is None
            assert masks.allowed[state, trajectory.tokens[position]]
    # Without a limit the untrained model goes on for longer.
    free = sample(policy, matches_of("trust_and_split", rounds), max_new_tokens=400)
    longest, limited = (max(len(t.tokens) for t in each.trajectories) for each in (free, played))
    assert longest > 1.5 * limited


@pytest.mark.parametrize(
    ("name", "adapters"),
    [
        *((name, adapters) for name in GAMES for adapters in (MODEL, ADAPTERS)),
        *(("trust_and_split", some) for some in ((LEARNER,), ("second",), (LEARNER, NO_ADAPTER))),
    ],
)
def test_logits_with_the_cache_are_those_of_a_forward_pass_of_their_own(
    plain: PolicyOf, mixed: PolicyOf, name: str, adapters: tuple[str, ...]
) -> None:
    policy = plain(name) if adapters == MODEL else mixed(name)
    found = []
    for merge in (False, True):
        with seen_logits(policy) as seen:
            played = sample(policy, matches_of(name), adapters=adapters, merge_adapter=merge)
        assert len({len(trajectory.tokens) for trajectory in played.trajectories}) > 1
        assert {*played.adapters} == {*adapters}
        assert_seen(seen, policy, played)
        found.append(played.trajectories)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", GAMES)
def test_a_slip_is_read_but_was_not_chosen(mixed: PolicyOf, tiny: LanguageModel, name: str) -> None:
    """It stands in the conversation in place of a reply, what follows is said in view of it, and it is no action."""
    slips = trembles(0.4, lambda turn: (turn.match.seed, turn.seat))
    policy, slipped = mixed(name), Counter[tuple[Match, int]]()

    def count_slips(turn: Turn) -> str | None:
        reply = slips(turn)
        slipped[turn.match, turn.seat] += reply is not None
        return reply

    with seen_logits(policy) as seen:
        matches = matches_of(name, (8, 8, 5, 6))
        played = sample(policy, matches, adapters=ADAPTERS, slips=count_slips)
    assert_seen(seen, policy, played)
    assert slipped.total() > 2
    places = [(match, seat) for match in played.matches for seat in SEATS]
    for (match, seat), trajectory in zip(places, played.trajectories, strict=True):
        tokens, begin, chosen = trajectory.tokens, 0, 0
        positions = {*trajectory.positions}
        for (prompt, reply), end in zip(
            played.said[match, seat], trajectory.reply_ends, strict=True
        ):
            frame = tiny.chat.following(prompt) if begin else tiny.chat.opening(prompt)
            begin += len(frame)
            assert tiny.chat.decode(tuple(tokens[begin : end - 1])) == reply
            chosen += bool(positions & {*range(begin, end)})
            begin = end
        assert begin == len(tokens)
        assert chosen == len(trajectory.reply_ends) - slipped[match, seat]


def test_the_adapters_differ(mixed: PolicyOf) -> None:
    """Otherwise the test above would show little."""
    model = mixed("split").model
    tokens = [*mixed("split").language_model.chat.opening("Reply with <A> or <B>.")]
    logits = [logits_of(model, adapter, tokens)[-1] for adapter in ADAPTERS]
    assert min((logits[i] - logits[j]).abs().max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.05


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_frequencies_are_the_probabilities(plain: PolicyOf, temperature: float) -> None:
    """Chi-square of the first number of a claim; 29.6 is exceeded once in a thousand seeds."""
    policy = plain("split")
    matches = [build_game("split", 1).start(3) for _ in range(1500)]
    (turn, _) = matches[0].turns()
    opening = [*policy.language_model.chat.opening(turn.prompt)]
    played = sample(policy, matches, temperature=temperature)
    options = policy.masks.allowed[policy.masks.start(turn.grammar)]
    scores = logits_of(policy.model, None, opening)[-1] / temperature
    expected = scores.masked_fill(~options, -torch.inf).softmax(-1) * len(matches)
    drawn = Counter(trajectory.tokens[len(opening)] for trajectory in played.trajectories[::2])
    tokens = options.nonzero()[:, 0].tolist()
    assert {*drawn} <= {*tokens}
    frequent = [token for token in tokens if expected[token] >= 5]
    assert len(frequent) > 3
    chi_square = sum(
        (drawn[token] - expected[token].item()) ** 2 / expected[token].item() for token in frequent
    )
    assert chi_square < 29.6


@pytest.mark.parametrize("name", GAMES)
def test_what_is_said_does_not_depend_on_the_rest_of_the_batch(mixed: PolicyOf, name: str) -> None:
    def said_by(seeds: Sequence[int]) -> list[Trajectory]:
        matches = [build_game(name, 2 + seed % 3).start(seed) for seed in seeds]
        names_of: NamesOf = lambda turn: ("reply", turn.match.seed, turn.seat)  # noqa: E731
        played = sample(mixed(name), matches, names_of, ADAPTERS, merge_adapter=True)
        return played.trajectories

    whole = said_by([4, 7, 5, 6])
    assert whole == said_by([4, 7]) + said_by([5]) + said_by([6])
    assert len({tuple(trajectory.tokens) for trajectory in whole}) > 1


def drawn_anew(
    policy: Policy, trajectory: Trajectory, adapter: str, names: tuple[object, ...]
) -> Iterator[int]:
    """What is drawn at every action token of a conversation that is read by itself, in one pass."""
    draws = stream(*names)
    active = adapter if policy.adapters else None
    logits = logits_of(policy.model, active, trajectory.tokens)  # (tokens, vocabulary)
    for position, state in zip(trajectory.positions, trajectory.states, strict=True):
        options = policy.masks.allowed[state].nonzero()[:, 0]
        cumulative = logits[position - 1, options].double().softmax(-1).cumsum(-1)
        yield int(options[(cumulative < draws.random() * cumulative[-1]).sum()])


@pytest.mark.parametrize("at_once", [0.0, float("inf")], ids=["prompts read together", "or not"])
@pytest.mark.parametrize("adapters", [MODEL, ADAPTERS], ids=["model", "adapters"])
@pytest.mark.parametrize("name", GAMES)
def test_each_conversation_draws_what_it_would_draw_alone(
    base_model: Path,
    name: str,
    adapters: tuple[str, ...],
    at_once: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Matches of a group begin alike and part sooner or later; some are of another length."""
    monkeypatch.setattr(sampler_module, "pass_tokens", lambda model: at_once)
    rules = {"message_limit": 20} if name in ("trust_and_split", "deal_or_no_deal") else {}
    base, game = load_model(base_model, "cpu"), build_game(name, 1, rules)
    policy = Policy(base, game) if adapters == MODEL else with_two_adapters(base, game)
    policy.model.double()
    numbers = count()
    matches = [build_game(name, 3 + n % 2, rules).start(n // 6) for n in range(18)]
    names_of: NamesOf = lambda turn: ("draw", next(numbers))  # noqa: E731
    played = sample(policy, matches, names_of, adapters, max_new_tokens=400)  # no message is cut
    order = [(match, seat) for match in matches for seat in SEATS]
    begun = {place: number for number, place in enumerate(played.said)}
    for place, trajectory, adapter in zip(order, played.trajectories, played.adapters, strict=True):
        names = ("draw", begun[place])
        found = [trajectory.tokens[position] for position in trajectory.positions]
        assert found == [*drawn_anew(policy, trajectory, adapter, names)]
    said = [
        (tuple(each.tokens), adapter)
        for each, adapter in zip(played.trajectories, played.adapters, strict=True)
    ]
    assert len({id(each) for each in played.trajectories}) == len({*said}) > 6


def test_the_seed_decides_all(plain: PolicyOf) -> None:
    first, again, other = (
        sample(plain("split"), matches_of("split"), in_order(seed)).trajectories
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", GAMES)
def test_a_trajectory_is_what_was_said_framed_as_a_chat(
    plain: PolicyOf, tiny: LanguageModel, name: str
) -> None:
    """And its action tokens know the rounds that they belong to."""
    chat = tiny.chat
    played = sample(plain(name), matches_of(name))
    places = [(match, seat) for match in played.matches for seat in SEATS]
    parts = [part for grammar in build_game(name, 1).grammars() for part in grammar.parts]
    least = sum(not isinstance(part, Literal) for part in parts)
    for (match, seat), trajectory in zip(places, played.trajectories, strict=True):
        begin, tokens = 0, tuple(trajectory.tokens)
        for index, (prompt, reply) in enumerate(played.said[match, seat]):
            frame = chat.following(prompt) if index else chat.opening(prompt)
            assert tokens[begin : begin + len(frame)] == frame
            begin += len(frame)
            end = tokens.index(chat.end_token, begin)
            assert chat.decode(tokens[begin:end]) == reply
            begin = end + 1
        assert begin == len(tokens)
        assert {*trajectory.rounds} == {*range(len(match.history))}
        assert trajectory.rounds == sorted(trajectory.rounds)
        assert trajectory.positions == sorted(trajectory.positions)
        # A free choice in every round for every part of a reply that isn't fixed.
        assert min(Counter(trajectory.rounds).values()) >= least


def test_a_token_is_read_once(base_model: Path) -> None:
    """The cache is kept over turns, and shared by equal conversations: what goes in are the nodes of their tree."""
    policy = Policy(load_model(base_model, "cpu"), build_game("split", 1))
    read: list[int] = []
    policy.model.register_forward_pre_hook(
        lambda module, arguments, options: read.append(options["input_ids"].numel()),
        with_kwargs=True,
    )
    played = sample(policy, matches_of("split", (10,) * 4))
    nodes = len(prefix_tree([trajectory.tokens for trajectory in played.trajectories]))
    assert nodes - 4 * 2 * 2 <= sum(read) <= 1.1 * nodes
