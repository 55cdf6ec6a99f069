"""How fast training is on a GPU: the paper's Trust-and-Split on a model of random weights, and the laptop scale.

`--shape tiny --device cpu` tries the script where there is no GPU. The results go to a Markdown table.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.training import Buffer
from social_dilemmas.config.settings import TrainingSettings, training_settings
from social_dilemmas.games import game_of
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.rollout import Rollouts
from social_dilemmas.method.train import learn
from social_dilemmas.policy.model import load_model, write_base_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.tokenizer import ASSISTANT, CHAT_TEMPLATE, END, PAD, USER, train_bpe
from social_dilemmas.run.ranks import ALONE
from social_dilemmas.run.shape import ModelShape, shape_of

TABLE = Path(__file__).with_suffix(".md")
NOT_MEASURED = "not yet measured"
ALGORITHM, GAME = "advantage_alignment", "trust_and_split"
MERGES = 1500  # of the tokenizer: enough to write the games' words as one or two tokens each
SHAPES = {
    "qwen2.5-7b": shape_of(load_scale("paper").model("qwen25_7b")),
    "qwen2.5-0.5b": shape_of(load_scale("workstation").model("qwen25_05b")),
    "tiny": ModelShape.model_validate(
        {
            **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16},
            **{"num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 4096},
        }
    ),
}
# Dense bfloat16 operations a second and bytes a second, by their data sheets.
PEAKS = {
    "H200": (989e12, 4.8e12),
    "H100 80GB HBM3": (989e12, 3.35e12),
    "H100 PCIe": (756e12, 2.0e12),
    "A100-SXM4-80GB": (312e12, 2.04e12),
    "A100 80GB PCIe": (312e12, 1.94e12),
    "A100-SXM4-40GB": (312e12, 1.56e12),
    "L40S": (362e12, 0.864e12),
}


@dataclass
class Sampling:
    """The forward passes of sampling, and the bytes that they must read."""

    passes: int = 0
    bytes_read: float = 0.0


@dataclass(frozen=True)
class Measured:
    """Means over the iterations."""

    seconds_sampling: float
    seconds_training: float
    sampled: float
    passes: float
    bytes_read: float
    trained: float
    chosen: float
    operations: float
    peak_memory: float


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """Byte-level BPE learned from the games' text, whose tokens are parts of words, as with large models."""
    vocabulary, merges = train_bpe(game_texts([{"name": GAME}])[0], MERGES)
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=None,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
    )


def write_random_model(shape: ModelShape, device: str, output: Path) -> None:
    """A model of this shape with random weights, built on the device. Rows past the tokenizer's are never said."""
    config = Qwen2Config(
        **shape.model_dump(exclude={"head_dim", "dtype", "embedded"}),
        max_position_embeddings=32_768,
        dtype=shape.dtype,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, shape.dtype))
    with torch.device(device):
        model = Qwen2ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(output)
    byte_tokenizer().save_pretrained(output)


def count_passes(policy: Policy, shape: ModelShape, rank: int) -> Sampling:
    """Counts the forward passes through the cache from now on."""
    found = Sampling()
    head = shape.vocab_size * shape.hidden_size * shape.bytes_each
    weights = shape.linear_parameters * shape.bytes_each + 4 * shape.adapter_parameters(rank) + head

    def count(module: torch.nn.Module, _: tuple[object, ...], given: dict[str, Any]) -> None:
        if given.get("past_key_values") is not None:
            found.passes += 1
            held = int(given["position_ids"][:, -1].sum())
            found.bytes_read += weights + held * shape.cache_bytes

    policy.model.register_forward_pre_hook(count, with_kwargs=True)
    return found


def synchronized(device: str) -> float:
    """The time when all that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(
    model: Path,
    shape: ModelShape,
    game: Mapping[str, Any],
    settings: TrainingSettings,
    device: str,
    iterations: int,
) -> Measured:
    """Some iterations after one that doesn't count, with a full buffer of past agents if there is one."""
    policy = Policy(load_model(model, device), game_of(game))
    learner = Learner(policy, settings, seed=0)
    kept = {name: weights.cpu() for name, weights in policy.weights().items()}
    learner.pool.restore({-agent: kept for agent in range(settings.buffer.size)})
    found = count_passes(policy, shape, settings.lora_rank)
    rows: list[tuple[float, ...]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Rollouts(learner, game, seed=0, folder=Path(folder), ranks=ALONE) as rollouts,
    ):
        for iteration in range(iterations + 1):
            if iteration == 1:
                found.passes, found.bytes_read = 0, 0.0
                if device == "cuda":
                    torch.cuda.reset_peak_memory_stats()
            begin = synchronized(device)
            rollout = rollouts.sample(iteration)
            sampled = synchronized(device)
            learn(learner, rollout, iteration, ALONE, sampled - begin)
            trained = synchronized(device)
            if iteration:
                seats = 2 * settings.matches / len(rollout.results)  # for each that learns
                counts = (rollout.tokens, rollout.action_tokens, rollout.action_tokens * seats)
                rows.append((sampled - begin, trained - sampled, *counts))
                print(f"  sampling {sampled - begin:.2f} s, training {trained - sampled:.2f} s")
    seconds_sampling, seconds_training, tokens, chosen, drawn = (
        sum(column) / len(rows) for column in zip(*rows, strict=True)
    )
    context = tokens / len(rollout.trajectories) / 2
    # Forward, backward to the inputs (the weights' own gradients aren't needed), reference.
    passes = 3 if settings.kl_coefficient > 0 else 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    return Measured(
        seconds_sampling,
        seconds_training,
        drawn,
        found.passes / len(rows),
        found.bytes_read / len(rows),
        tokens,
        chosen,
        passes * shape.forward_operations(tokens, context, chosen),
        peak,
    )


def large_rows(result: Measured, peak_flops: float | None, bandwidth: float | None) -> list[str]:
    """Lines of the large model's table; operations and bytes a second of the device at best, where they are known."""
    sampling, training = result.seconds_sampling, result.seconds_training
    operations, read = result.operations / training, result.bytes_read / sampling
    values = {
        "seconds an iteration": f"{sampling + training:.1f}",
        "of these, sampling": f"{sampling:.1f}",
        "of these, training": f"{training:.1f}",
        "tokens sampled a second, both seats": f"{result.sampled / sampling:,.0f}",
        "tokens trained on a second": f"{result.trained / training:,.0f}",
        "share of peak FLOP/s in training, recomputation not counted": (
            f"{operations / peak_flops:.1%}" if peak_flops else NOT_MEASURED
        ),
        "share of memory bandwidth in sampling": (
            f"{read / bandwidth:.1%}" if bandwidth else NOT_MEASURED
        ),
        "peak memory": f"{result.peak_memory / 1e9:.1f} GB",
        "tokens sampled in an iteration": (
            f"{result.sampled:,.0f} in {result.passes:,.0f} forward passes"
        ),
        "tokens trained on in an iteration": (
            f"{result.trained:,.0f}, of which {result.chosen:,.0f} were sampled"
        ),
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())]


def measure_large(shape: ModelShape, device: str, iterations: int) -> Measured:
    """The paper's Advantage Alignment in Trust-and-Split, all matches on one device."""
    config = load_scale("paper")
    settings = training_settings(config, GAME, ALGORITHM).model_copy(update={"world_size": 1})
    game = config.game(GAME).entry
    if shape is SHAPES["tiny"]:
        game = {**game, "rounds": 2}
        small = {"matches": 8, "group_size": 4, "max_new_tokens": 40, "buffer": Buffer(size=2)}
        settings = settings.model_copy(update=small)
    with tempfile.TemporaryDirectory() as folder:
        write_random_model(shape, device, Path(folder))
        return measure(Path(folder), shape, game, settings, device, iterations)


def laptop_rows(devices: Sequence[str], iterations: int) -> list[str]:
    """The laptop scale's Advantage Alignment in its games, with the base model in place of the warm-started."""
    config = load_scale("laptop")
    model = config.models[0]
    lines = ["| game | on the GPU | on one CPU core |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        write_base_model(model, *game_texts([game.entry for game in config.games]), path)
        for game in config.games:
            settings = training_settings(config, game.name, ALGORITHM)
            cells = {"cuda": NOT_MEASURED}
            for device in devices:
                print(f"laptop scale, {game.name}, {device}", flush=True)
                one = measure(path, shape_of(model), game.entry, settings, device, iterations)
                cells[device] = f"{one.seconds_sampling:.2f} + {one.seconds_training:.2f}"
            lines.append(f"| {game.name} | {cells['cuda']} | {cells['cpu']} |")
    return lines


def report(where: str, shape: str, large: list[str], laptop: list[str]) -> str:
    """The whole file; `where` it was measured, and how."""
    sizes = SHAPES[shape].model_dump(exclude={"embedded"})
    facts = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in sizes.items())
    smaller = "Here with 8 matches of 2 rounds, and replies of 40 tokens at most. "
    return "\n".join(
        [
            "# Speed and memory on a GPU",
            "",
            where,
            "",
            f"## {shape}, random weights",
            "",
            "The settings of Advantage Alignment in Trust-and-Split in `config/paper.yaml`, but in one process and",
            "with a full buffer of past agents.",
            f"{smaller if shape == 'tiny' else ''}Shape: {facts}.",
            "The tokenizer is a byte-level one trained on the game's text; all further rows of the vocabulary are",
            "padding that is computed, but never said. As the weights are random, messages go on up to their limit of",
            "500 characters, which those of a trained model seldom do.",
            "",
            *large,
            "",
            "## The laptop scale",
            "",
            "Advantage Alignment, seconds an iteration: sampling + training.",
            "",
            *laptop,
            "",
        ]
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-7b")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--iterations", type=int, default=3, help="that count; there is one before")
    parser.add_argument(
        "--peak-flops", type=float, help="of the GPU in bfloat16, if not known here"
    )
    parser.add_argument("--peak-bandwidth", type=float, help="bytes a second, if not known here")
    parser.add_argument("--output", type=Path, help=f"default: {TABLE.name} for a GPU, else none")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.exit(
            1, "there is no GPU here; --shape tiny --device cpu tries this script without one\n"
        )
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if asked.device == "cuda" else "a CPU"
    command = f"tests/benchmarks/gpu.py --shape {asked.shape} --device {asked.device}"
    print(f"{asked.shape}, {asked.device}", flush=True)
    known = next((value for part, value in PEAKS.items() if part in name), (None, None))
    best = (asked.peak_flops or known[0], asked.peak_bandwidth or known[1])
    large = large_rows(measure_large(SHAPES[asked.shape], asked.device, asked.iterations), *best)
    laptop = laptop_rows(sorted({asked.device, "cpu"}), asked.iterations)
    where = f"Command: `{command}`; on {name}, with torch {torch.__version__}."
    text = report(where, asked.shape, large, laptop)
    print(text)
    output = asked.output or (TABLE if asked.device == "cuda" else None)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
