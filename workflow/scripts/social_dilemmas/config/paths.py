"""Where every result lies, below `results/{scale}`: patterns that the rules use as they are, and that code fills in."""

BASE = "base/{model}"
WARM_START = "warm_start/{game}/{model}"
WARM_STARTED = f"{WARM_START}/model"
TRAINING = "training/{game}/{model}/{algorithm}/seed-{seed}"
LEARNER = "exploitability/{game}/{model}/{algorithm}/against-{opponent}/seed-{seed}"
VARIANT = "ablations/{game}/{model}/{variant}/seed-{seed}"
CROSS_PLAY = "cross_play/{game}/{model}"
FURTHER_CROSS_PLAY = "cross_play/{game}/{model}/further_seeds"
LEARNER_MATCHES = "exploitability/{game}/{model}"
VARIANT_MATCHES = "ablations/{game}/{model}/{variant}"
STRATEGIES = "tournament/{game}"
TOURNAMENT = "tournament/{game}/{model}"
DISTURBANCES = "disturbances/{game}/{model}"
TRANSCRIPT = "transcripts/{game}/{model}/{pair}"
API_CACHE = "api_players/{name}.sqlite"


def results(scale: str) -> str:
    """The folder that takes everything of a scale."""
    return f"results/{scale}"
