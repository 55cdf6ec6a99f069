"""How the cost of sampling and of a training step grows: with matches, rounds, the rules' length, the vocabulary.

The model is small and has random weights, so that conversations soon differ. Every size is doubled twice; all take
turns within one run.
"""

import statistics
import tempfile
from pathlib import Path

import torch
from tests.benchmarks.peers.ours import Ours
from tests.benchmarks.run import MODEL

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.settings import training_settings
from social_dilemmas.policy.model import load_model, write_base_model

GAME = "trust_and_split"
BASE = {"matches": 16, "rounds": 5, "rules": 1, "vocabulary": 1024}
WORDS = {
    "matches": "matches",
    "rounds": "rounds",
    "rules": "length of the rules",
    "vocabulary": "vocabulary",
}
FACTORS = (2, 4)
REPETITIONS = 5


def prepared(model: Path, size: dict[str, int]) -> Ours:
    """A learner with matches of this size."""
    config = load_scale("laptop")
    settings = training_settings(config, GAME, "advantage_alignment")
    language_model = load_model(model, "cpu")
    language_model.model.resize_token_embeddings(size["vocabulary"], mean_resizing=False)
    return Ours(
        language_model,
        {**config.game(GAME).entry, "rounds": size["rounds"]},
        settings.model_copy(update={"matches": size["matches"]}),
        rules=size["rules"],
    )


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    grown = {
        (what, factor): {**BASE, what: factor * BASE[what]} for what in BASE for factor in FACTORS
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write_base_model(MODEL, *game_texts([{"name": GAME}]), path)
        learners = [prepared(path, size) for size in (BASE, *grown.values())]
    played = [(ours, ours.play()) for ours in learners]
    for ours, transcript in played:
        ours.train(transcript)  # warm up
    cells: dict[str, list[str]] = {what: [] for what in BASE}
    for name, way in (("sampling", Ours.sample), ("training step", Ours.train)):
        rounds = [
            [way(ours, transcript) for ours, transcript in played] for _ in range(REPETITIONS)
        ]  # seconds, the base case first
        print(f"{name}: {1000 * statistics.median(base for base, *_ in rounds):.0f} ms")
        for number, (what, _) in enumerate(grown, start=1):
            ratio = statistics.median(seconds[number] / seconds[0] for seconds in rounds)
            cells[what].append(f"{ratio:.2f}")
    print("| | sampling, x 2 | x 4 | training step, x 2 | x 4 |\n|---|---|---|---|---|")
    for what, ratios in cells.items():
        print(f"| {WORDS[what]} | {' | '.join(ratios)} |")


if __name__ == "__main__":
    main()
