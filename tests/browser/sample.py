"""Transcripts to be shown: four matches, one of them with a message full of markup."""

from typing import Any

MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
RULES = "You divide 10 coins with another player. "


def reply(prompt: str, text: str, log_probability: float | None) -> dict[str, Any]:
    return {"step": "message", "prompt": prompt, "reply": text, "log_probability": log_probability}


def match(outcome: str, points: tuple[float, float], said: str) -> dict[str, Any]:
    """A match of two rounds; the first agent says something in the second one."""
    return {
        "seats": [0, 1],
        "outcome": outcome,
        "payoffs": list(points),
        "welfare_share": sum(points) / 100,
        "invalid": [0, 0],
        "rounds": [
            {
                "rewards": list(points),
                "replies": [
                    [reply(f"{rules}Your turn.", text, -0.25)],
                    [reply(f"{rules}Your turn, too.", "<5 coins>", None)],
                ],
            }
            for rules, text in ((RULES, "<5 coins>"), ("", f"<message>{said}</message>"))
        ],
    }


TOLD: dict[str, Any] = {
    "game": "trust_and_split",
    "rounds": 2,
    "agents": [{"name": "naive", "seed": 0}, {"name": "greedy", "seed": None}],
    "matches": [
        match("both_do_well", (50, 50), "I have rock"),
        match("is_exploited", (10, 60), MARKUP),
        match("is_exploited", (20, 60), "I have paper"),
        match("both_do_poorly", (27.5, 27.5), "I have scissors"),
    ],
}
