"""What the page of a pairing's transcripts shows, from the file that `run_transcripts` wrote."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import fmean
from typing import Any

from social_dilemmas.report.names import readable

ORDER = ("both_do_well", "exploits", "is_exploited", "both_do_poorly")
CHART = 640, 120  # width and height of the chart of points by round
SPARK = 10, 26  # of a round in the small chart of a match


def transcript_page(told: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the template `transcript.html.jinja`.

    Args:
        told: what `run_transcripts` wrote.
    """
    summary = summarise(told)
    agents, matches = summary["agents"], told["matches"]
    prompts = [
        match["rounds"][0]["replies"][seat][0]["prompt"] for match in matches for seat in (0, 1)
    ]
    rules = common_sentences(prompts)
    words = outcome_words(agents)
    low, high = _range(matches)
    return {
        **summary,
        "seeds": [agent["seed"] for agent in told["agents"]],
        "length": told["rounds"],
        "chart": _chart(matches, low, high),
        "lowest": low,
        "highest": high,
        "rules": rules,
        "matches": [_match(match, rules, words, low, high) for match in matches],
        "scored": any(
            reply["log_probability"] is not None
            for match in matches
            for replies in match["rounds"][0]["replies"]
            for reply in replies
        ),
    }


def summarise(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a pairing came to: title, game, agents, payoffs, welfare_share, outcomes."""
    agents = agent_names([agent["name"] for agent in told["agents"]])
    matches = told["matches"]
    words = outcome_words(agents)
    counts = Counter(match["outcome"] for match in matches)
    shares = [m["welfare_share"] for m in matches if m["welfare_share"] is not None]
    return {
        "title": f"{agents[0]} with {'a copy of itself' if agents[1] == 'Its copy' else agents[1]}",
        "game": told["title"],
        "agents": agents,
        "payoffs": [fmean(match["payoffs"][agent] for match in matches) for agent in (0, 1)],
        "welfare_share": fmean(shares) if shares else None,
        "outcomes": [(name, words[name], counts[name]) for name in ORDER if counts[name]],
    }


def agent_names(names: Sequence[str]) -> list[str]:
    """Both names as people read them, and told apart."""
    first, second = map(readable, names)
    return [first, "Its copy" if second == first else second]


def outcome_words(agents: Sequence[str]) -> dict[str, str]:
    """The classes of `evaluation.outcomes`, with the agents' names."""
    first, second = agents
    return {
        "both_do_well": "Both do well",
        "exploits": f"{first} exploits",
        "is_exploited": f"{second} exploits",
        "both_do_poorly": "Both do poorly",
    }


def common_sentences(prompts: Sequence[str]) -> str:
    """The sentences that open all of these prompts: the rules."""
    first, last = min(prompts), max(prompts)  # what they share, all between them share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    shared = "".join(character for character, _ in same)
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
    lines = []
    for agent in (0, 1):
        points = []
        for index in range(length):
            there = [
                m["rounds"][index]["rewards"][agent] for m in matches if index < len(m["rounds"])
            ]
            x = (index + 0.5) * width / length
            y = height - (fmean(there) - low) / (high - low) * height
            points.append(f"{x:.1f},{y:.1f}")
        lines.append(" ".join(points))
    return lines


def _match(
    match: Mapping[str, Any], rules: str, words: Mapping[str, str], low: float, high: float
) -> dict[str, Any]:
    width, height = SPARK
    bars = []
    zero = height - (0 - low) / (high - low) * height
    for index, each in enumerate(match["rounds"]):
        for agent, points in enumerate(each["rewards"]):
            top = height - (points - low) / (high - low) * height
            bars.append(
                {
                    "x": index * width + agent * 4,
                    "y": min(top, zero),
                    "height": max(abs(zero - top), 1),
                    "agent": agent,
                }
            )
    return {
        "outcome": match["outcome"],
        "words": words[match["outcome"]],
        "payoffs": match["payoffs"],
        "welfare_share": match["welfare_share"],
        "seats": match["seats"],
        "invalid": match["invalid"],
        "bars": bars,
        "bars_width": len(match["rounds"]) * width,
        "rounds": [
            {
                "rewards": each["rewards"],
                "replies": [
                    [_reply(reply, rules) for reply in replies] for replies in each["replies"]
                ],
            }
            for each in match["rounds"]
        ],
    }


def _reply(reply: Mapping[str, Any], rules: str) -> dict[str, Any]:
    prompt = reply["prompt"]
    opens = bool(rules) and prompt.startswith(rules)
    log_probability = reply["log_probability"]
    return {
        "step": reply["step"],
        "opens": opens,
        "prompt": prompt.removeprefix(rules).strip() if opens else prompt,
        "reply": reply["reply"],
        "log_probability": log_probability,
        "probability": None if log_probability is None else math.exp(log_probability),
    }
