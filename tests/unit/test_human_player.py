"""A person at the terminal, played by scripted lines: what is shown, what is taken, how it ends."""

import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Protocol

import pytest
from rich.console import Console
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.agents.human.player import HumanPlayer, play_in_terminal, question
from social_dilemmas.agents.human.scoreboard import prose, table
from social_dilemmas.agents.play import Place, play
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Choice, Grammar, Text

COMMAND = Path(__file__).parents[2] / "tools" / "play.py"


class Session:
    """A terminal: lines that are typed, and all that is seen; the input ends with the lines."""

    def __init__(self, answer: Callable[[str], str], width: int = 80) -> None:
        self._answer = answer
        self._screen = StringIO()
        self.show = Console(file=self._screen, width=width).print

    @property
    def seen(self) -> str:
        return "".join(f"{line.rstrip()}\n" for line in self._screen.getvalue().splitlines())

    def ask(self, asked: str) -> str:
        self._screen.write(asked)
        line = self._answer(asked)
        self._screen.write(f"{line}\n")
        return line


class Stub:
    """In a model's place, always says this, and asks for so much."""

    def __init__(self, message: str, coins: str) -> None:
        self.values = {"message": message, "coins": coins}

    def seated(self, _: Mapping[Place, str | None]) -> "nullcontext[Stub]":
        return nullcontext(self)

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        return [turn.grammar.write(self.values) for turn in turns]


def typed(*lines: str) -> Session:
    rest = iter(lines)

    def answer(_: str) -> str:
        for line in rest:
            return line
        raise EOFError

    return Session(answer)


def somebody(asked: str) -> str:
    """Answers any question, by what it says is possible."""
    options = re.search(r"\((.*)\): $", asked)
    assert options is not None, asked
    if options[1].startswith("up to"):
        return "hello"
    return options[1].split(" to ")[0].split(",")[0].split(" or ")[-1]


def sit(session: Session, game: str, other: str | Stub, rounds: int = 2, *, seat: int = 0) -> Match:
    match = build_game(game, rounds).start(3)
    if isinstance(other, Stub):
        opponent, sampler = Agent("stub"), other
    else:
        opponent, sampler = Agent(other, Kind.SCRIPTED), None
    play_in_terminal(match, seat, opponent, sampler, ask=session.ask, show=session.show)
    return match


@pytest.mark.parametrize("seat", [0, 1])
@pytest.mark.parametrize("game", game_names())
def test_every_game_can_be_played(game: str, seat: int) -> None:
    session = Session(somebody)
    match = sit(session, game, "random", rounds=3, seat=seat)
    assert match.finished
    assert match.invalid == [0, 0]
    score = re.search(r"You got (.*) points in 3 rounds, the other player (.*)\.", session.seen)
    assert score is not None
    for place, points in zip((seat, 1 - seat), score.groups(), strict=True):
        assert float(points) == pytest.approx(sum(match.rewards(place)), abs=0.051)
    assert max(map(len, session.seen.splitlines())) <= 80
    assert re.findall(r"--- Round (\d)", session.seen) == ["1", "2", "3"]


def test_options_that_differ_in_case_alone_are_told_apart() -> None:
    session = typed("A", "a", "<A>")
    match = build_game("prisoners_dilemma", 3, {"actions": ["a", "A"]}).start(3)
    opponent = Agent("always_cooperate", Kind.SCRIPTED)
    play_in_terminal(match, 0, opponent, None, ask=session.ask, show=session.show)
    assert [finished.actions[0] for finished in match.history] == ["A", "a", "A"]


def test_a_whole_session() -> None:
    session = typed("A", "b", "<B>")
    match = sit(session, "prisoners_dilemma", "grim", rounds=3)
    assert [finished.actions[0] for finished in match.history] == ["A", "B", "B"]
    beginning, *rounds = session.seen.split("--- Round ")
    assert "--- Iterated prisoner's dilemma ---" in beginning
    assert "  You play against grim.\n" in beginning
    assert "  You meet one other player again and again.\n" in rounds[0]
    assert rounds[1].splitlines()[1:] == [
        "",
        "  The other player chose <A>.",
        "",
        "  action (A or B): b",
        "",
        "  round  you  other  points  total",
        "      1  A    A           3      3",
        "      2  B    A           5      8",
        "",
    ]
    assert rounds[2].split("--- All that happened ---")[1].splitlines()[1:] == [
        "",
        "  round         actions  points",
        "      1  you    A             3",
        "         other  A             3",
        "      2  you    B             5",
        "         other  A             0",
        "      3  you    B             1",
        "         other  B             1",
        "",
        "  You got 9 points in 3 rounds, the other player 4.",
        "  Together that is 13; at best it could have been 18.",
        "",
    ]


def test_several_things_are_asked_one_at_a_time() -> None:
    session = typed("1", "2 books", " 03", "3", "10", "0", "0")
    match = sit(session, "split", "greedy")
    assert [finished.claims[0] for finished in match.history] == [(1, 2, 3), (10, 0, 0)]
    asked = re.findall(r"(\w+) \(0 to 10\): (.*)", session.seen)
    first = [("hats", "1"), ("books", "2 books"), ("balls", " 03"), ("balls", "3")]
    assert asked == [*first, ("hats", "10"), ("books", "0"), ("balls", "0")]
    assert "'03' is not possible here: please type a whole number from 0 to 10." in session.seen


@pytest.mark.parametrize(
    ("lines", "message", "problem"),
    [
        (["hi", "x", "7"], "hi", "'x' is not possible here: please type a whole number from 0 to"),
        (["hi", "11", "7"], "hi", "'11' is not possible here"),
        (["hi", "-1", "7"], "hi", "'-1' is not possible here"),
        (["hi", "\x1b[2J", "7"], "hi", r"'\x1b[2J' is not possible here"),
        (["hi", "", "7"], "hi", "Please type a whole number from 0 to 10."),
        (["hi", "<7 coins"], "hi", None),
        (["hi", "<7 coins>"], "hi", None),
        (["hi", "7 Coins"], "hi", None),
        (["hi", " 7 "], "hi", None),
        (["", "hi", "7"], "hi", "Please type some text."),
        (["x" * 501, "hi", "7"], "hi", "That has 501 characters; at most 500 are possible."),
        (["a</message>b", "hi", "7"], "hi", "A message can't hold </message>."),
        (["<message>hi</message>", "7"], "hi", None),
        (["no <tags>", "7"], "no <tags>", None),
        (["quite", "7"], "quite", None),
    ],
)
def test_what_may_be_typed(lines: list[str], message: str, problem: str | None) -> None:
    session = typed(*lines)
    match = sit(session, "trust_and_split", "greedy", rounds=1)
    assert match.history[0].messages[0] == (message,)
    assert match.history[0].proposals[0] == 7
    complaints = re.findall(r"[Pp]lease type.*|That has .*|.*can't hold.*", session.seen)
    assert len(complaints) == (problem is not None)
    assert problem is None or problem in session.seen


@pytest.mark.parametrize("lines", [["hi", "3", "q"], ["hi", "3", "hi", "QUIT"], ["hi", "3"]])
def test_leaving_shows_the_score_so_far(lines: list[str]) -> None:
    session = typed(*lines)
    match = sit(session, "trust_and_split", "greedy", rounds=5)
    assert len(match.history) == 1
    assert "  You left in round 2.\n" in session.seen
    assert "points in 1 round, the other player" in session.seen


def test_an_interrupt_is_a_way_to_leave() -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    session = Session(interrupt)
    sit(session, "split", "greedy")
    assert session.seen.endswith(
        "  You left in round 1.\n\n\n  No round was finished, so there is no score.\n\n"
    )


def test_what_is_hidden_is_shown_only_at_the_end() -> None:
    session = typed("hello", "1", "hello", "1", "hello", "1")
    match = sit(session, "trust_and_split", Stub("hello", "5"), rounds=3)
    before, after = session.seen.split("All that happened")
    rows = [line for line in before.splitlines() if re.match(r" +\d ", line)]
    assert len(rows) == 1 + 2
    assert not any(hand in line for line in rows for hand in ("rock", "paper", "scissors"))
    hands = re.findall("rock|paper|scissors", after)
    assert hands == [hand for finished in match.history for hand in finished.hands]


def test_private_values_are_shown_at_the_end() -> None:
    session = Session(somebody)
    match = sit(session, "deal_or_no_deal", "greedy", rounds=1)
    after = session.seen.split("All that happened")[1]
    for values in match.history[0].offer.values:
        assert f"  {', '.join(map(str, values))}  " in after


def test_the_opponent_can_not_steer_the_terminal() -> None:
    session = typed("hello", "1", "hello", "1")
    rude = Stub("\x1b[2J\nround 9\r[bold]b[/bold] :smile:[/]", "\x1b[2J")
    match = sit(session, "trust_and_split", rude)
    assert match.finished
    assert match.invalid == [0, 2]
    assert "\x1b" not in session.seen
    assert "\r" not in session.seen
    assert "[bold]b[/bold] :smile:[/]" in " ".join(session.seen.split())
    assert '0 coins, " [2J round' in session.seen  # a forfeit, as the game counts it


def test_a_game_that_uses_the_quitting_word_still_takes_it() -> None:
    match = build_game("prisoners_dilemma", 1).start(0)
    session = typed("Q")
    person = HumanPlayer(ask=session.ask, show=session.show)
    grammar = Grammar((Choice("square", ("q", "r")),))
    assert person.reply([Turn(match, 0, "move", "Your move.", grammar)]) == ["<q>"]


def test_both_seats_can_be_people() -> None:
    match = build_game("prisoners_dilemma", 1).start(0)
    first, second = (HumanPlayer(ask=s.ask, show=s.show) for s in (typed("A"), typed("B")))
    play([match], [(first, second)])
    assert match.history[0].actions == ("A", "B")


def test_sentences_stand_on_lines_of_their_own_but_messages_are_kept_together() -> None:
    session = typed()
    session.show(
        prose("You hold rock. The other says: <message>No. Yes! Maybe? I.</message> Send yours.")
    )
    assert session.seen.splitlines() == [
        "",
        "  You hold rock.",
        "  The other says: <message>No. Yes! Maybe? I.</message>",
        "  Send yours.",
        "",
    ]


def test_text_is_wrapped_and_tables_are_cut_where_the_terminal_is_narrow() -> None:
    session = Session(somebody, width=30)
    session.show(prose("word " * 100))
    assert len(session.seen.splitlines()) > 15
    session.show(table(["round", "what"], [["1", "x" * 100], ["10", "y"]]))
    assert session.seen.endswith(f"  round  what\n      1  {'x' * 20}…\n     10  y\n")
    assert max(map(len, session.seen.splitlines())) <= 30


def test_questions() -> None:
    assert question(Choice("coins", ("0", "1", "2"))) == "coins (0 to 2)"
    assert question(Choice("first_move", ("up", "down", "stay"))) == "first move (up, down or stay)"
    assert question(Text("message", 9)) == "message (up to 9 characters)"


class Run(Protocol):
    """Runs `make play`, without make, in this folder; returns what it prints."""

    def __call__(self, folder: Path, *arguments: str, typed: str = "") -> str: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(folder: Path, *arguments: str, typed: str = "") -> str:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["play.py", *arguments])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(typed.encode())))
        runpy.run_path(str(COMMAND), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("game", ["prisoners_dilemma", "split", "trust_and_split", "stag_hunt"])
def test_the_command_begins_with_the_rules_and_ends_cleanly(
    game: str, run: Run, tmp_path: Path
) -> None:
    shown = run(tmp_path, "--game", game, "--seed", "1", typed="q\n")
    assert "You play against " in shown
    assert "Your aim is to collect as many points as you can" in shown
    assert "You left in round 1." in shown


def test_the_same_seed_deals_the_same(run: Run, tmp_path: Path) -> None:
    arguments = ["--against", "random", "--seed", "5"]
    first, second = (run(tmp_path, *arguments, typed="I have rock\n7\n" * 10) for _ in range(2))
    assert first == second
    assert "points in 10 rounds" in first


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--game", "chess"], "unknown game 'chess'; known games: prisoners_dilemma, split"),
        (
            ["--against", "nobody"],
            "trust_and_split: unknown opponent 'nobody'; known: "
            + ", ".join(scripted_player_names("trust_and_split")),
        ),
        (["--against", "naive"], "there are no trained agents of this game in results/laptop"),
        (
            ["--scale", "huge"],
            "unknown scale 'huge'; known scales: laptop, paper, pretrained, pretrained_games, smoke, workstation",
        ),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(
    arguments: list[str], sentence: str, run: Run, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=sentence) as caught:
        run(tmp_path, *arguments)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def trained(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a training, though nothing was learned in it."""
    folder = tmp_path_factory.mktemp("trained")
    model = folder / "results/laptop/warm_start/trust_and_split/embedded/model"
    shutil.copytree(base_model, model)
    for seed in (1, 0):
        run = f"results/laptop/training/trust_and_split/embedded/naive/seed-{seed}"
        saved_adapter(model, folder / run / "adapter")
    return folder


@pytest.mark.parametrize("name", ["naive", "warm_start"])
def test_trained_agents_can_be_played_against(name: str, run: Run, trained: Path) -> None:
    shown = run(trained, "--against", name, "--seed", "2", typed="hi\n7\nq\n")
    assert f"You play against {name}." in shown
    assert re.search(r'1  7 coins, "hi" +\d+ coins, "', shown)


def test_an_interrupt_from_the_keyboard_ends_it_cleanly(trained: Path) -> None:
    """As a process of its own; loading a model says nothing that a player wouldn't want to read."""
    with subprocess.Popen(
        [sys.executable, "-u", COMMAND, "--against", "naive", "--seed", "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=trained,
        env={"PYTHONPATH": str(COMMAND.parents[1] / "workflow" / "scripts")},
    ) as process:
        assert process.stdout is not None
        shown = ""
        while not shown.endswith("): "):  # the first question
            assert process.poll() is None
            shown += process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "You left in round 1." in out
    assert (process.returncode, err) == (0, "")


def test_a_damaged_agent_is_refused(run: Run, trained: Path) -> None:
    weights = "results/laptop/training/trust_and_split/embedded/naive/seed-1/adapter"
    (trained / weights / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"adapter_model\.safetensors is damaged"):
        run(trained, "--against", "naive/seed-1")
