"""What the page of a pairing's transcripts shows, from the file that `run_transcripts` wrote."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os.path import commonprefix
from statistics import fmean
from typing import Any

from social_dilemmas.report.names import readable

ORDER = ("both_do_well", "exploits", "is_exploited", "both_do_poorly")
CHART = 640, 120  # width and height of the chart of points by round
SPARK = 10, 26  # of a round in the small chart of a match


def transcript_page(transcripts: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the template `transcript.html.jinja`.

    Args:
        transcripts: what `run_transcripts` wrote.
    """
    matches = transcripts["matches"]
    openings = [replies for match in matches for replies in match["rounds"][0]["replies"]]
    low, high = _range(matches)
    return {
        **summarise(transcripts),
        "seeds": [agent["seed"] for agent in transcripts["agents"]],
        "length": transcripts["rounds"],
        "chart": _chart(matches, low, high),
        "lowest": low,
        "highest": high,
        "rules": common_sentences([replies[0]["prompt"] for replies in openings]),
        "matches": [{**match, "bars": list(_bars(match, low, high))} for match in matches],
        "scored": any(
            reply["log_probability"] is not None for replies in openings for reply in replies
        ),
        "exp": math.exp,
    }


def summarise(transcripts: Mapping[str, Any]) -> dict[str, Any]:
    """How a pairing did: title, game, agents, payoffs, welfare_share, outcome_words, outcomes.

    `outcome_words` are the classes of `evaluation.outcomes` with the agents' names; `outcomes` those that occurred, each
    with its words and its number of matches.
    """
    first, second = (readable(agent["name"]) for agent in transcripts["agents"])
    copied = first == second
    agents = [first, "Its copy" if copied else second]
    matches = transcripts["matches"]
    words = {
        "both_do_well": "Both do well",
        "exploits": f"{agents[0]} exploits",
        "is_exploited": f"{agents[1]} exploits",
        "both_do_poorly": "Both do poorly",
    }
    counts = Counter(match["outcome"] for match in matches)
    shares = [m["welfare_share"] for m in matches if m["welfare_share"] is not None]
    return {
        "title": f"{first} with {'a copy of itself' if copied else second}",
        "game": transcripts["title"],
        "agents": agents,
        "payoffs": [fmean(match["payoffs"][agent] for match in matches) for agent in (0, 1)],
        "welfare_share": fmean(shares) if shares else None,
        "outcome_words": words,
        "outcomes": [(name, words[name], counts[name]) for name in ORDER if counts[name]],
    }


def common_sentences(prompts: Sequence[str]) -> str:
    """The sentences that open all of these prompts: the rules."""
    shared = commonprefix(list(prompts))
    if all(prompt == shared for prompt in prompts):
        return shared
    return shared[: shared.rfind(". ") + 1]


def _range(matches: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """A range of points that holds 0 and all rounds."""
    rewards = [r for match in matches for each in match["rounds"] for r in each["rewards"]]
    low, high = 0.0 - _round_up(-min(0.0, *rewards)), _round_up(max(0.0, *rewards))  # never -0.0
    return low, high if high > low else low + 1


def _round_up(number: float) -> float:
    """The next number that is easily read, such as 2, 25 or 500."""
    if number <= 0:
        return 0.0
    scale = 10.0 ** math.floor(math.log10(number))
    return next(step * scale for step in (1, 2, 2.5, 5, 10) if number <= step * scale)


def _chart(matches: Sequence[Mapping[str, Any]], low: float, high: float) -> list[str]:
    """Mean points of each agent by round, as points of a line in a `CHART`."""
    width, height = CHART
    length = max(len(match["rounds"]) for match in matches)
    lines: tuple[list[str], list[str]] = [], []
    for index in range(length):
        rewards = [m["rounds"][index]["rewards"] for m in matches if index < len(m["rounds"])]
        for line, points in zip(lines, zip(*rewards, strict=True), strict=True):
            x = (index + 0.5) * width / length
            line.append(f"{x:.1f},{_depth(fmean(points), low, high, height):.1f}")
    return [" ".join(line) for line in lines]


def _bars(match: Mapping[str, Any], low: float, high: float) -> Iterator[dict[str, float]]:
    """A bar for each agent's points in each round, in a chart of so many `SPARK`."""
    width, height = SPARK
    zero = _depth(0, low, high, height)
    for index, each in enumerate(match["rounds"]):
        for agent, points in enumerate(each["rewards"]):
            end = _depth(points, low, high, height)
            bar = {"y": min(end, zero), "height": max(abs(zero - end), 1)}
            yield {"agent": agent, "x": index * width + agent * 4, **bar}


def _depth(points: float, low: float, high: float, height: float) -> float:
    """How far below the top of a chart of this height these points are."""
    return height - (points - low) / (high - low) * height
