"""What the page of a pair's transcripts shows, from the file that `run_transcripts` wrote."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from os.path import commonprefix
from statistics import fmean
from typing import Any

from social_dilemmas.report.names import game_title, readable


def transcript_page(transcripts: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the template `transcript.html.jinja`."""
    matches = transcripts["matches"]
    openings = [replies for match in matches for replies in match["rounds"][0]["replies"]]
    low, high = _range(matches)
    return {
        **summarise(transcripts),
        "seeds": [agent["seed"] for agent in transcripts["agents"]],
        "length": transcripts["rounds"],
        "curves": _curves(matches),
        "lowest": low,
        "highest": high,
        "rules": common_sentences([replies[0]["prompt"] for replies in openings]),
        "matches": matches,
        "scored": any(
            reply["log_probability"] is not None for replies in openings for reply in replies
        ),
        "exp": math.exp,
    }


def summarise(transcripts: Mapping[str, Any]) -> dict[str, Any]:
    """A pair in short: title, game, agents, payoffs, welfare_share, and outcomes in words and numbers of matches."""
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
        "game": game_title(transcripts["game"]),
        "agents": agents,
        "payoffs": [fmean(match["payoffs"][agent] for match in matches) for agent in (0, 1)],
        "welfare_share": fmean(shares) if shares else None,
        "outcome_words": words,
        "outcomes": [(name, said, counts[name]) for name, said in words.items() if counts[name]],
    }


def common_sentences(prompts: Sequence[str]) -> str:
    """The sentences that open all of these prompts: the rules."""
    shared = commonprefix(prompts)  # noqa: RUF071 (of characters, as it should be)
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


def _curves(matches: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Mean points of each agent by round, over the matches that went on so long."""
    rounds = zip_longest(*(match["rounds"] for match in matches))
    played = [[each["rewards"] for each in at_once if each] for at_once in rounds]
    return [[fmean(rewards[agent] for rewards in each) for each in played] for agent in (0, 1)]
