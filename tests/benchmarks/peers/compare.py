"""Training and sampling here, and by what is there elsewhere, on the same tokens: TRL, transformers, vLLM.

All take turns within one run, each on one thread; the table has medians, and medians of the ratios to ours.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

import torch
from tests.benchmarks.peers.ours import Ours, Transcript
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from social_dilemmas.config.load import load_scale
from social_dilemmas.config.settings import training_settings
from social_dilemmas.games import game_of
from social_dilemmas.policy.model import LanguageModel, build_embedded_model, load_model
from social_dilemmas.policy.policy import Policy

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ALGORITHM = "advantage_alignment"
LARGER = {
    "hidden_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "intermediate_size": 1408,
}
SIZES: dict[str, dict[str, int | bool]] = {
    "embedded": {},  # settings of the laptop scale
    "larger": {"matches": 8, "merge_adapter": False},  # as in the scales of larger models
}
REPETITIONS = 3
TRL_MICRO_BATCH = 32  # conversations
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "PYTHONPATH": str(ROOT),
}
Way = Callable[[], float]
"""Does the work once and gives the seconds that it took its process."""


class Worker:
    """A process of the other environment, which repeats its work whenever it is asked."""

    def __init__(self, name: str, model: Path, task: Path, log: IO[str]) -> None:
        self._log = log.name
        self._process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name(name)), str(model), str(task)],
            env=os.environ | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def __call__(self) -> float:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        asked.write("\n")
        asked.flush()
        line = answered.readline()
        if not line:
            raise SystemExit(f"a worker has ended:\n{Path(self._log).read_text()[-4000:]}")
        return float(line)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def generate(model: Path, transcript: Transcript) -> Way:
    """Every moment by `generate` of transformers, which reads the conversations anew."""
    reader = AutoModelForCausalLM.from_pretrained(model).eval()
    padding = reader.config.pad_token_id
    reader.generation_config = GenerationConfig(do_sample=True, top_k=0, pad_token_id=padding)

    def way() -> float:
        begin = time.process_time()
        for moment in transcript.moments:
            read = [torch.tensor(transcript.tokens[row][:end]) for row, end, _ in moment]
            tokens, mask = (
                torch.nn.utils.rnn.pad_sequence(
                    rows, batch_first=True, padding_value=value, padding_side="left"
                )
                for rows, value in ((read, padding), ([torch.ones_like(r) for r in read], 0))
            )  # (conversations, length) each
            longest = max(count for *_, count in moment)
            reader.generate(tokens, attention_mask=mask, max_new_tokens=longest)
        return time.process_time() - begin

    return way


def measure(ways: Mapping[str, Way]) -> tuple[float, dict[str, float]]:
    """Median milliseconds of the first way, and the median ratios of the others to it, taken in turns."""
    for way in ways.values():
        way()  # warm up
    rounds = [{name: way() for name, way in ways.items()} for _ in range(REPETITIONS)]
    first, *others = ways
    ratios = {
        name: statistics.median(seconds[name] / seconds[first] for seconds in rounds)
        for name in others
    }
    return 1000 * statistics.median(seconds[first] for seconds in rounds), ratios


def compare(model: Path, transcript: Transcript, ours: Ours, folder: Path) -> list[str]:
    """The measured cells of a row."""
    settings = ours.settings
    task = {
        "tokens": transcript.tokens,
        "positions": [trajectory.positions for trajectory in transcript.trajectories],
        "moments": transcript.moments,
        "rank": settings.lora_rank,
        "alpha": settings.lora_alpha,
        "micro_batch": TRL_MICRO_BATCH,
        **{
            name: getattr(settings, name)
            for name in ("temperature", "learning_rate", "max_grad_norm")
        },
    }
    file = folder / "task.json"
    file.write_text(json.dumps(task))
    with ExitStack() as stack:

        def worker(name: str) -> Worker:
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            return stack.enter_context(Worker(name, model, file, log))

        training, trained = measure(
            {
                "ours": partial(ours.train, transcript),
                "TRL": worker("trl_worker.py"),
            }
        )
        sampling, sampled = measure(
            {
                "ours": partial(ours.sample, transcript),
                "generate": generate(model, transcript),
                "vLLM": worker("vllm_worker.py"),
            }
        )
    return [
        f"{transcript.sharing:.1f}",
        f"{training:,.0f} ms",
        f"{trained['TRL']:.2f}",
        f"{sampling:,.0f} ms",
        f"{sampled['generate']:.2f}",
        f"{sampled['vLLM']:.2f}",
    ]


def write_models(results: Path, game: str, folder: Path) -> dict[str, Path]:
    """The models to compare with, by what they are: as warm-started, and with the trained adapter in its weights."""
    started = results / "warm_start" / game / "embedded" / "model"
    adapter = results / "training" / game / "embedded" / ALGORITHM / "seed-0" / "adapter"
    config = load_scale("laptop")
    language_model = load_model(started, "cpu")
    policy = Policy(language_model, game_of(config.game(game).entry))
    policy.load(str(adapter))
    merged = LanguageModel(policy.model.merge_and_unload(), language_model.chat, folder)
    merged.save(folder)
    return {"warm start": started, "trained": folder}


def write_larger(tokenizer: Path, folder: Path) -> int:
    """A larger model of random weights with the tokenizer of another; gives the number of its parameters."""
    words = AutoTokenizer.from_pretrained(tokenizer)
    model = build_embedded_model(words, seed=0, **LARGER)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return int(model.num_parameters())


def main() -> None:
    """Measure and print, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "results" / "laptop"
    parser.add_argument("--results", type=Path, default=default, help="folder of the laptop scale")
    results = parser.parse_args().results.resolve()
    torch.set_num_threads(1)
    config = load_scale("laptop")
    head = ["parameters", "game", "agents", "tokens / distinct", "training step", "TRL"]
    head += ["sampling", "`generate`", "vLLM"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for size, changed in SIZES.items():
        for game in config.games:
            settings = training_settings(config, game.name, ALGORITHM).model_copy(update=changed)
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                for agents, model in write_models(results, game.name, folder / "trained").items():
                    parameters = load_model(model, "cpu").model.num_parameters()
                    ours = Ours(model, game.entry, settings)
                    transcript = ours.play()
                    if size == "larger":
                        larger = folder / "larger"
                        parameters = write_larger(model, larger)
                        ours, model = Ours(larger, game.entry, settings), larger
                    cells = compare(model, transcript, ours, folder)
                    row = [f"{parameters:,}", game.name, agents, *cells]
                    print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
