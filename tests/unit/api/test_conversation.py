"""A player behind a server: what it sends, what it makes of replies, and what it counts."""

import gc
import json
import weakref
from typing import Any

import pytest
from tests.unit.api.calls import CUT_OFF, KEY, Make, actions, contents, dilemmas, meet
from tests.unit.replying_server import says, sends

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.agents.slips import one_slip
from social_dilemmas.errors import UserError


def test_prompts_are_user_turns_and_replies_assistant_turns(make: Make) -> None:
    make.server.does(says("<A>"), says(" <B>\n"))
    (match,) = meet(make(extra={"top_p": 0.9}), dilemmas(rounds=3))
    assert actions([match]) == [["A", "B", "B"]]
    assert match.invalid == [0, 0]
    last = make.server.asked[-1]
    roles = [message["role"] for message in last["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    rules, *texts = contents(last)
    assert rules.startswith("You meet one other player")
    told = "The other player chose <B>."
    assert texts == ["<A>", told, " <B>\n", told]
    del last["messages"]
    assert last == {"model": "m", "temperature": 1.0, "max_tokens": 5, "top_p": 0.9}
    assert make.server.keys == {f"Bearer {KEY}"}


def test_a_slip_costs_no_request_and_is_what_the_player_remembers(make: Make) -> None:
    make.server.does(says("<A>"), says("<A>"))
    player, opponent = make(), scripted_player("prisoners_dilemma", "always_defect")
    match = dilemmas(rounds=3)[0]
    play([match], [(player, opponent)], slips=one_slip(1, opponent))
    assert actions([match]) == [["A", "B", "A"]]
    assert contents(make.server.asked[-1])[1::2] == ["<A>", "<B>"]
    assert len(make.server.asked) == 2


def test_what_is_null_is_left_to_the_server(make: Make) -> None:
    meet(make(temperature=None, max_new_tokens=None), dilemmas())
    assert make.server.asked[0].keys() == {"model", "messages"}


def test_every_seat_of_every_match_has_its_own_conversation(make: Make) -> None:
    player = make()
    play(dilemmas(3, rounds=2), [(player, player)] * 3)
    assert sorted(len(asked["messages"]) for asked in make.server.asked) == [1] * 6 + [3] * 6
    assert player.usage_record["cost"] is player.usage_record["cost_now"] is None  # no prices


def test_after_an_invalid_reply_it_is_asked_again_outside_the_conversation(make: Make) -> None:
    make.server.does(says("I cooperate"), says("<B>"), says("<A>"))
    player = make()
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [0, 0]
    assert actions([match]) == [["B", "A"]]
    _, again, following = make.server.asked
    assert contents(again)[1:] == [
        "I cooperate",
        "That is not a valid reply: reply with <A> or <B>, and nothing else.",
    ]
    assert contents(following)[1:] == ["<B>", "The other player chose <B>."]
    assert player.usage_record["invalid_replies"] == 1


@pytest.mark.parametrize("text", ["B", "", None, "<A><B>", "\ud800"])
@pytest.mark.parametrize("attempts", [0, 2])
def test_invalid_replies_for_ever_are_counted_forfeits(
    make: Make, text: str | None, attempts: int
) -> None:
    make.server.does(says(text))
    player = make(attempts=attempts)
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [2, 0]
    assert actions([match]) == [["A", "A"]]
    assert len(make.server.asked) == 2 * (attempts + 1) == player.usage_record["requests"]
    assert player.usage_record["invalid_replies"] == 2 * (attempts + 1)
    for asked in make.server.asked:  # some servers refuse turns without text
        assert all(content.strip() for content in contents(asked))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "content_filter", "message": "The response was filtered"}),
        (400, {"code": "context_length_exceeded", "message": "too much"}),
        (400, {"code": 400, "message": "This model's maximum context length is 512 tokens"}),
        (403, {"code": 403, "message": "Your input was flagged"}),
    ],
)
def test_a_refused_conversation_is_a_forfeit_and_not_the_end(
    make: Make, status: int, error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    make.server.does(sends(json.dumps({"error": error}), status), says("<B>"))
    player = make()
    (match,) = meet(player, dilemmas(rounds=2))
    assert (match.invalid, actions([match])) == ([1, 0], [["A", "B"]])
    usage = player.usage_record
    assert (usage["requests"], usage["replies"], usage["forfeits"]) == (2, 2, 1)
    assert "1 of 1 replies are invalid, hence forfeits (the last: the server refuses" in caplog.text
    assert actions(meet(make(), dilemmas(rounds=2))) == [["A", "B"]]
    assert len(make.server.asked) == 2  # a rerun asks nothing


def test_with_too_many_forfeits_the_job_stops_and_says_what_the_server_does(make: Make) -> None:
    make.server.does(sends(json.dumps(CUT_OFF)))
    for asked in (24, 0):  # the first time, and from the cache
        make.server.asked.clear()
        with pytest.raises(UserError, match=r"24 of 24 replies are invalid.*cut off.*allows 0\.2"):
            meet(make(attempts=0), dilemmas(24))
        assert len(make.server.asked) == asked
    make.server.does(says("<A>"), *[says("<A>")] * 18, sends(json.dumps(CUT_OFF)))
    last = make(attempts=0, most_forfeits=0.05, concurrency=1)
    assert sum(match.invalid[0] for match in meet(last, dilemmas(20, first_seed=100))) == 1


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "<B"}, {"type": "text", "text": ">"}],
        [{"type": "reasoning", "reasoning": "<A>?"}, {"type": "text", "text": "<B>"}],
        "<think>\nNot <A>.\n</think>\n\n<B>",
        "Not <A>.</think><B>",
    ],
)
def test_the_answer_is_found_among_parts_and_after_thoughts(make: Make, content: Any) -> None:
    make.server.does(says(content))
    (match,) = meet(make(), dilemmas(rounds=2))
    assert (match.invalid, actions([match])) == ([0, 0], [["B", "B"]])
    assert contents(make.server.asked[-1])[1].strip() == "<B>"


def test_finished_matches_are_forgotten(make: Make) -> None:
    player = make()
    matches = weakref.WeakSet(meet(player, dilemmas(3)))
    gc.collect()
    assert not matches
