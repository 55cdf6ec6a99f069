"""A person at the terminal, played by scripted lines: what is shown, what is taken, how it ends."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from social_dilemmas.agents.human.player import HumanPlayer, Remembered, play_in_terminal, question
from social_dilemmas.agents.human.scoreboard import paragraphs, table
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Choice, Grammar, Text

ROOT = Path(__file__).parents[2]


class Session:
    """A terminal: lines that are typed, and all that is seen; the input ends with the lines."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.seen = ""

    def ask(self, asked: str) -> str:
        self.seen += asked
        line = self.answer(asked)
        self.seen += f"{line}\n"
        return line

    def show(self, text: str) -> None:
        self.seen += f"{text}\n"


class Stub:
    """Says always this, and asks for so much."""

    def __init__(self, message: str, coins: str) -> None:
        self.message = message
        self.coins = coins

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        values = {"message": self.message, "coins": self.coins}
        return [turn.grammar.write(values) for turn in turns]


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


def sit(
    session: Session, game: str, other: str, *, rounds: int = 2, seed: int = 3, seat: int = 0
) -> Match:
    match = build_game(game, rounds).start(seed)
    opponent = scripted_player(game, other)
    play_in_terminal(match, seat, opponent, opponent_name=other, ask=session.ask, show=session.show)
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
    for place, told in zip((seat, 1 - seat), score.groups(), strict=True):
        assert float(told) == pytest.approx(sum(match.rewards(place)), abs=0.051)
    assert max(map(len, session.seen.splitlines())) <= 80
    assert "Round 3" in session.seen
    assert "Round 4" not in session.seen


def test_a_whole_session() -> None:
    session = typed("A", "b", "<B>")
    match = sit(session, "prisoners_dilemma", "grim", rounds=3)
    assert [finished.actions[0] for finished in match.history] == ["A", "B", "B"]
    beginning, *rounds = session.seen.split("--- Round ")
    assert "Iterated prisoner's dilemma" in beginning
    assert "You play against grim." in beginning
    assert "You meet one other player again and again.\n" in rounds[0]
    assert rounds[0].endswith(
        "action (A or B): A\n\n"
        "  round  you  other  points  total\n"
        "      1  A    A           3      3\n\n"
    )
    assert rounds[1].splitlines()[2:] == [
        "  The other player chose <A>.",
        "",
        "  action (A or B): b",
        "",
        "  round  you  other  points  total",
        "      1  A    A           3      3",
        "      2  B    A           5      8",
        "",
    ]
    assert rounds[2].split("happened")[1].splitlines()[2:] == [
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
    assert asked == [
        ("hats", "1"),
        ("books", "2 books"),
        ("balls", " 03"),
        ("balls", "3"),
        ("hats", "10"),
        ("books", "0"),
        ("balls", "0"),
    ]
    assert "'03' is not possible here: please type a whole number from 0 to 10." in session.seen


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["x", "7"], "'x' is not possible here: please type a whole number from 0 to 10."),
        (["11", "7"], "'11' is not possible here"),
        (["-1", "7"], "'-1' is not possible here"),
        (["", "7"], "Please type a whole number from 0 to 10."),
        (["<7 coins"], None),
        (["<7 coins>"], None),
        (["7 coins"], None),
        ([" 7 "], None),
    ],
)
def test_numbers(lines: list[str], problem: str | None) -> None:
    session = typed("hello", *lines)
    match = sit(session, "trust_and_split", "greedy", rounds=1)
    assert match.history[0].proposals[0] == 7
    assert problem is None or problem in session.seen
    assert ("please type" in session.seen.lower()) == (problem is not None)


@pytest.mark.parametrize(
    ("lines", "message", "problem"),
    [
        (["", "hi"], "hi", "Please type some text."),
        (["x" * 501, "hi"], "hi", "That has 501 characters, but at most 500 are possible."),
        (["a</message>b", "hi"], "hi", "A message can't hold </message>."),
        (["<message>hi</message>"], "hi", None),
        (["no <tags>"], "no <tags>", None),
        (["quite"], "quite", None),
    ],
)
def test_messages(lines: list[str], message: str, problem: str | None) -> None:
    session = typed(*lines, "5")
    match = sit(session, "trust_and_split", "greedy", rounds=1)
    assert match.history[0].messages[0] == (message,)
    assert problem is None or problem in session.seen


@pytest.mark.parametrize("lines", [["hi", "3", "q"], ["hi", "3", "hi", "QUIT"], ["hi", "3"]])
def test_leaving_shows_the_score_so_far(lines: list[str]) -> None:
    session = typed(*lines)
    match = sit(session, "trust_and_split", "greedy", rounds=5)
    assert len(match.history) == 1
    assert "You left in round 2." in session.seen
    assert "points in 1 round, the other player" in session.seen


def test_an_interrupt_is_a_way_to_leave() -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    session = Session(interrupt)
    sit(session, "split", "greedy")
    assert session.seen.endswith(
        "You left in round 1.\n\n  No round was finished, so there is no score.\n\n"
    )


def test_what_is_hidden_is_shown_in_the_end_only() -> None:
    session = typed("hello", "1", "hello", "1", "hello", "1")
    match = build_game("trust_and_split", 3).start(3)
    play_in_terminal(
        match, 0, Stub("hello", "5"), opponent_name="stub", ask=session.ask, show=session.show
    )
    before, after = session.seen.split("All that happened")
    tables = [line for line in before.splitlines() if re.match(r" +\d ", line)]
    assert len(tables) == 1 + 2
    assert not any(hand in line for line in tables for hand in ("rock", "paper", "scissors"))
    hands = re.findall("rock|paper|scissors", after)
    assert hands == [hand for finished in match.history for hand in finished.hands]


def test_values_that_nobody_was_told_are_shown_in_the_end() -> None:
    session = Session(somebody)
    match = sit(session, "deal_or_no_deal", "greedy", rounds=1)
    after = session.seen.split("All that happened")[1]
    for values in match.history[0].offer.values:
        assert f"  {', '.join(map(str, values))}  " in after


def test_the_opponent_can_not_steer_the_terminal() -> None:
    session = typed("hello", "1", "hello", "1")
    match = build_game("trust_and_split", 2).start(0)
    rude = Stub("\x1b[2J\nround 9\r", "\x1b[2J")
    play_in_terminal(match, 0, rude, opponent_name="rude", ask=session.ask, show=session.show)
    assert match.finished
    assert match.invalid == [0, 2]
    assert "\x1b" not in session.seen
    assert "\r" not in session.seen
    assert '0 coins, "' in session.seen  # a forfeit, as the game counts it


def test_a_game_that_uses_the_quitting_word_still_takes_it() -> None:
    choice = Choice("square", ("q", "r"))
    assert question(choice) == "square (q or r)"
    session = typed("q")
    person = HumanPlayer(
        Remembered(scripted_player("split", "greedy")), ask=session.ask, show=session.show
    )
    assert person._compose(Grammar((choice,))) == "<q>"


def test_both_seats_can_be_people() -> None:
    match = build_game("prisoners_dilemma", 1).start(0)
    first, second = typed("A"), typed("B")
    nobody = Remembered(scripted_player("prisoners_dilemma", "grim"))
    people = tuple(HumanPlayer(nobody, ask=s.ask, show=s.show) for s in (first, second))
    play([match], [(people[0], people[1])])
    assert match.history[0].actions == ("A", "B")


def test_sentences_stand_on_lines_of_their_own_but_messages_are_kept_together() -> None:
    text = "You hold rock. The other says: <message>No. Yes! Maybe? I.</message> Send yours."
    assert paragraphs(text, 100).splitlines() == [
        "  You hold rock.",
        "  The other says: <message>No. Yes! Maybe? I.</message>",
        "  Send yours.",
    ]
    assert max(map(len, paragraphs("word " * 100, 40).splitlines())) <= 40


def test_a_table_that_is_too_wide_is_clipped() -> None:
    lines = table(["round", "what"], [["1", "x" * 100], ["10", "y"]], numbers=(0,), width=30)
    assert lines.splitlines() == ["  round  what", f"      1  {'x' * 18}...", "     10  y"]


def test_labels() -> None:
    assert question(Choice("coins", ("0", "1", "2"))) == "coins (0 to 2)"
    assert question(Choice("first_move", ("up", "down", "stay"))) == "first move (up, down or stay)"
    assert question(Text("message", 9)) == "message (up to 9 characters)"


def run(
    *arguments: str, typed: str = "", folder: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """`make play` without make."""
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "play.py", *arguments],
        input=typed,
        text=True,
        capture_output=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "workflow" / "scripts")},
        check=False,
    )


@pytest.mark.parametrize("game", ["prisoners_dilemma", "split", "trust_and_split", "stag_hunt"])
def test_the_command_begins_with_the_rules_and_ends_cleanly(game: str, tmp_path: Path) -> None:
    done = run("--game", game, "--seed", "1", typed="q\n", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "You play against " in done.stdout
    assert "Your aim is to collect as many points as you can" in done.stdout
    assert "You left in round 1." in done.stdout


def test_the_same_seed_deals_the_same(tmp_path: Path) -> None:
    arguments = ["--against", "random", "--seed", "5"]
    lines = "I have rock\n7\n" * 10
    first, second = (run(*arguments, typed=lines, folder=tmp_path) for _ in range(2))
    assert first.stdout == second.stdout
    assert "points in 10 rounds" in first.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--game", "chess"], "unknown game 'chess'; known games: prisoners_dilemma, split"),
        (["--against", "nobody"], "trust_and_split: unknown opponent 'nobody'; known: greedy"),
        (["--against", "naive"], "there are no trained agents of this game in results/laptop"),
        (
            ["--scale", "huge"],
            "unknown scale 'huge'; known scales: laptop, paper, smoke, workstation",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.fixture(scope="module")
def trained(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a training, though nothing was learned in it."""
    from social_dilemmas.policy.adapters import attach_learner, save_adapter
    from social_dilemmas.policy.model import load_model

    folder = tmp_path_factory.mktemp("trained")
    model = folder / "results/laptop/warm_start/trust_and_split/embedded/model"
    shutil.copytree(base_model, model)
    learner = attach_learner(load_model(model, device="cpu"), rank=2, alpha=4, seed=0)
    runs = folder / "results/laptop/training/trust_and_split/embedded"
    for run in ("naive/seed-1", "naive/seed-0"):
        save_adapter(learner, model, runs / run / "adapter")
    return folder


@pytest.mark.parametrize("name", ["naive", "warm_start"])
def test_trained_agents_can_be_played_against(name: str, trained: Path) -> None:
    done = run("--against", name, "--seed", "2", typed="hi\n7\nq\n", folder=trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"You play against {name}." in done.stdout
    assert re.search(r'1  7 coins, "hi" +\d+ coins, "', done.stdout)


def test_a_damaged_agent_is_refused(trained: Path) -> None:
    weights = "results/laptop/training/trust_and_split/embedded/naive/seed-1/adapter"
    (trained / weights / "adapter_model.safetensors").write_bytes(b"")
    done = run("--against", "naive/seed-1", folder=trained)
    assert done.returncode == 1
    assert "adapter_model.safetensors is damaged" in done.stderr


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-u", ROOT / "tools" / "play.py", "--game", "split"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "workflow" / "scripts")},
    )
    yield process
    process.kill()
    process.communicate()


def test_an_interrupt_from_the_keyboard_ends_it_cleanly(
    interrupted: "subprocess.Popen[str]",
) -> None:
    assert interrupted.stdout is not None
    for line in interrupted.stdout:
        if line.startswith("  The other player values"):
            break
    interrupted.stdout.readline()
    interrupted.stdout.read(1)  # the question begins
    interrupted.send_signal(signal.SIGINT)
    out, err = interrupted.communicate(timeout=60)
    assert "You left in round 1." in out
    assert (interrupted.returncode, err) == (0, "")


def test_every_opponent_of_a_game_is_offered(tmp_path: Path) -> None:
    said = run("--against", "nobody", folder=tmp_path).stderr
    for name in scripted_player_names("trust_and_split"):
        assert name in said
