"""Estimates of what a job needs, against what is there: tokens, weights, memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.config import pairings, trainings
from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.models import EmbeddedModel, HubModel, Shape
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.config.settings import merge, training_settings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.warm_start import demonstrations
from social_dilemmas.policy import chat, log_probabilities, tree
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run import workload
from social_dilemmas.run.conversation import conversation_of
from social_dilemmas.run.resources import Estimates
from social_dilemmas.run.shape import differences, published_shape, shape_of
from social_dilemmas.run.workload import Needs

SCRIPTS = REPOSITORY / "workflow" / "scripts"
SMOKE = load_scale("smoke")
GPU = {
    **{"memory_gb": 80.0, "teraflops": 989.0, "bandwidth_gb": 3350.0},
    **{"share_in_training": 0.35, "share_in_sampling": 0.5},
}
SHAPE = {
    **{"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28},
    **{"num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064},
}
LARGE = HubModel(
    name="large", kind="hub", source="a/large", dtype="bfloat16", shape=Shape.model_validate(SHAPE)
)
SMALL = {
    **{"name": "small", "kind": "embedded", "seed": 0, "hidden_size": 16, "num_hidden_layers": 2},
    **{"num_attention_heads": 2, "intermediate_size": 32, "merges": 64},
}
TINY = EmbeddedModel.model_validate(SMALL)  # the model of the fixture `tiny`
WIDER = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
WIDE = EmbeddedModel.model_validate({**SMALL, **WIDER, "intermediate_size": 256})


def smoke(
    *models: EmbeddedModel | HubModel, gpu: Any = None, split: Any = None, **changes: Any
) -> Config:
    """The smoke scale with other models, on another machine, with other settings of trainings and of Split."""
    said = SMOKE.model_dump(exclude_unset=True)
    split = split or {"training": {"iterations": changes.pop("iterations", 2)}}
    games = [merge(game, split) if game["name"] == "split" else game for game in said["games"]]
    speed = changes.pop("cpu_gigaflops", 25.0)
    machine = {"gpu": gpu, "cpu_gigaflops": dict.fromkeys(("float32", "bfloat16"), speed)}
    listed = [model.model_dump() for model in models] or said["models"]
    warm_start = {"method": changes.pop("method", "full")}
    changed = {"games": games, "machine": machine, "models": listed, "warm_start": warm_start}
    return Config.model_validate(merge(said, changed, {"training": changes}))


def of_training(config: Config, game: str = "trust_and_split") -> Needs:
    return Estimates(config).needs("training", game, config.models[0].name, "naive")


@pytest.mark.parametrize("name", game_names())
def test_tokens_of_a_conversation(tiny: LanguageModel, name: str) -> None:
    """As the embedded model's own tokenizer counts them."""
    settings = WarmStart(population={"random": 1.0}, noise=0.0, steps=0)
    played = demonstrations(Policy(tiny, build_game(name, 10)), settings, 8, "tokens")
    estimate = conversation_of({"name": name, "rounds": 10}, 12, embedded=True)
    tokens = sum(len(trajectory.tokens) for trajectory in played) / len(played)
    actions = sum(len(trajectory.positions) for trajectory in played) / len(played)
    assert estimate.tokens == pytest.approx(tokens, rel=0.1)
    assert estimate.actions == pytest.approx(actions, rel=0.2)


def test_messages_are_taken_to_be_as_long_as_they_may_be() -> None:
    entry = {"name": "trust_and_split", "rounds": 2}
    short, long, longest = (conversation_of(entry, n, embedded=False) for n in (10, 50, 10_000))
    # In a round a seat chooses its message, the token that closes it, and a number of coins.
    assert [talk.actions for talk in (short, long, longest)] == [24, 104, 204]
    # It reads the other's message as well.
    assert long.tokens - short.tokens == pytest.approx(2 * 2 * 40)


def test_weights_are_counted(tiny: LanguageModel) -> None:
    weights = sum(parameter.numel() for parameter in tiny.model.parameters())
    assert shape_of(TINY).parameters == pytest.approx(weights, rel=0.2)  # the vocabulary is a guess
    local = shape_of(HubModel(name="local", kind="hub", source=str(tiny.path)))
    assert local.parameters == pytest.approx(weights, rel=0.02)
    assert (local.vocab_size, local.dtype) == (len(tiny.tokenizer), "float32")
    assert local.num_hidden_layers == TINY.num_hidden_layers


@pytest.mark.parametrize("rank", [2, 8])
def test_weights_of_an_adapter_are_counted(base_model: Path, rank: int) -> None:
    policy = Policy(load_model(base_model, device="cpu"), build_game("split", 2))
    policy.add_learner(rank=rank, alpha=4, seed=0)
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    assert shape_of(TINY).adapter_parameters(rank) == trained


def test_sizes_are_those_of_the_code_that_computes() -> None:
    assert workload.BLOCK == tree.BLOCK
    assert workload.LOGIT == log_probabilities.BYTES_PER_LOGIT
    assert workload.LOGITS == log_probabilities.CHUNK_BYTES
    assert workload.TEXTS == chat.REMEMBERED


def test_known_numbers_of_parameters() -> None:
    """As their model cards say: 7.62, 8.03, 8.19, 3.88 (its language model), 0.49 and 1.54 billion."""
    models = [*load_scale("paper").models, *load_scale("workstation").models]
    millions = [round(shape_of(model).parameters / 1e6) for model in models]
    assert millions == pytest.approx([7616, 8030, 8191, 3880, 494, 1544], rel=0.005)


MEASURE = """
import json, re, sys
job = json.loads(sys.stdin.read())
from pathlib import Path
import torch
torch.set_num_threads(1)
from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.method.train import train
settings = TrainingSettings(**job["settings"])
train(
    model=Path(job["model"]), game=job["game"], settings=settings, seed=0, output=Path(job["output"])
)
status = Path("/proc/self/status").read_text()  # getrusage would tell the parent's peak if that is higher
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024 / 1e6)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "training"),
    [(TINY, {}), (WIDE, {"merge_adapter": False}), (WIDE, {"activation_checkpointing": True})],
    ids=["small", "wide", "checkpointing"],
)
def test_memory_of_a_training(
    model: EmbeddedModel, training: dict[str, Any], tmp_path: Path
) -> None:
    write_base_model(model, *game_texts([{"name": "split"}]), tmp_path / "model")
    split = {"rounds": 10, "training": {"matches": 32, "iterations": 1}}
    config = smoke(model, split=split, **training)
    job = {
        "model": str(tmp_path / "model"),
        "game": {"name": "split", "rounds": 10, "rules": {}},
        "settings": training_settings(config, "split", "naive").model_dump(),
        "output": str(tmp_path / "run"),
    }
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input=json.dumps(job),
        env={"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1", "PATH": ""},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = float(done.stdout.splitlines()[-1])
    assert of_training(config, "split").memory_mb == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(
    ("quantity", "less", "more", "factor"),
    [
        ("memory_mb", {"micro_batch_tokens": 1000}, {}, 1),
        ("memory_mb", {"activation_checkpointing": True}, {}, 1),
        ("memory_mb", {}, {"dtype": "float32", "merge_adapter": False}, 1.6),
        ("gpu_memory_mb", {"gpu": GPU, "world_size": 2}, {"gpu": GPU}, 1),
        ("seconds", {"gpu": GPU, "world_size": 2}, {"gpu": GPU}, 1),
        ("seconds", {"gpu": GPU}, {}, 1),
        ("seconds", {"gpu": GPU, "sampler": "vllm"}, {"gpu": GPU}, 1),  # no time between passes
        ("seconds", {}, {"iterations": 20}, 1),
        ("seconds", {}, {"cpu_gigaflops": 0.001}, 5),
    ],
)
def test_settings_that_cost_more(
    quantity: str, less: dict[str, Any], more: dict[str, Any], factor: float
) -> None:
    def estimate(dtype: str = "bfloat16", **settings: Any) -> float:
        model = LARGE.model_copy(update={"dtype": dtype})
        needs = of_training(smoke(model, **settings), "split")
        value: float = getattr(needs, quantity)
        return value

    assert factor * estimate(**less) < estimate(**more)


def test_a_gpu_for_each_process() -> None:
    one, two = (of_training(smoke(LARGE, gpu=GPU, world_size=number)) for number in (1, 2))
    none = of_training(smoke(LARGE))
    assert [(each.gpus, each.world_size) for each in (none, one, two)] == [(0, 1), (1, 1), (2, 2)]
    assert none.gpu_memory_mb == 0
    weights = 15_231  # 7.6 billion of 2 bytes each
    assert weights < one.gpu_memory_mb < 80_000
    served = of_training(smoke(LARGE, gpu=GPU, sampler="vllm"))
    assert served.gpu_memory_mb > weights + 0.5 * 80_000
    base = Estimates(smoke(LARGE, gpu=GPU)).needs("base", "large")
    assert (base.gpus, round(base.disk_mb)) == (0, weights)


def test_matches_on_a_server() -> None:
    """The job has the weights on the host; only a server of its own takes anything of a GPU."""
    model = {"sampler": "vllm", "vllm": {"memory_share": 0.75}}
    shared = {"sampler": "vllm", "vllm": {"base_urls": ["http://127.0.0.1:8000"]}}
    for kind in ("cross_play", "transcripts"):
        own, other, on_cpu = (
            Estimates(smoke(LARGE, gpu=gpu, split={"evaluation": chosen})).needs(
                kind, "split", "large"
            )
            for gpu, chosen in ((GPU, model), (GPU, shared), (None, model))
        )
        assert (own.gpus, own.gpu_memory_mb) == (1, 60_000)
        assert (other.gpus, other.gpu_memory_mb) == (0, 0)
        assert 15_231 < other.memory_mb == own.memory_mb < 17_000
        assert on_cpu.memory_mb > 2 * 15_231


def test_smaller_passes_of_a_warm_start_take_less_memory() -> None:
    few, many = (
        Estimates(smoke(LARGE, method="lora", split={"warm_start": {"micro_batch_tokens": most}}))
        for most in (1000, 65536)
    )
    needed = [each.needs("warm_start", "split", "large") for each in (few, many)]
    assert 1.5 * needed[0].memory_mb < needed[1].memory_mb
    assert needed[0].seconds == needed[1].seconds


def test_a_primer_takes_time_by_the_length_of_its_matches() -> None:
    def seconds(**primer: Any) -> float:
        primer = {"population": {"greedy": 1}, "steps": 3, **primer}
        chosen = smoke(LARGE, split={"warm_start": {"primer": primer}})
        return Estimates(chosen).needs("warm_start", "split", "large").seconds

    plain = Estimates(smoke(LARGE)).needs("warm_start", "split", "large").seconds
    short, long = (seconds(rounds=rounds, matches=8) - plain for rounds in (1, 3))
    assert short > 0
    assert long == pytest.approx(3 * short, rel=0.1)


def test_no_warm_start_leaves_nothing_on_the_disk() -> None:
    estimates = Estimates(smoke(LARGE, split={"warm_start": {"population": {}, "steps": 0}}))
    without, trained = (
        estimates.needs("warm_start", game, "large") for game in ("split", "prisoners_dilemma")
    )
    assert without.disk_mb == 0
    assert trained.disk_mb > 15_000
    assert without.memory_mb < trained.memory_mb


PLACE, VARIANT = ("prisoners_dilemma", "embedded"), ("split", "embedded", "critic", "ablations")
KINDS = [
    *(("base", "embedded"), ("strategies", "prisoners_dilemma"), ("table",), ("figure",)),
    *((kind, *PLACE) for kind in ("warm_start", "cross_play", "learner_matches", "tournament")),
    *(("clone", *PLACE), ("prior", *PLACE, "naive", "0.6"), ("prior_matches", *PLACE, "0.6")),
    *(("transcripts", *PLACE), ("variant", *VARIANT), ("variant_matches", *VARIANT)),
    ("training", *PLACE, "naive"),
    ("learner", *PLACE, "naive", "advantage_alignment"),
    ("two_learners", *VARIANT[:2]),
]


@pytest.mark.parametrize("job", KINDS, ids=lambda job: job[0])
def test_every_kind_of_job_has_an_estimate(job: tuple[str, ...]) -> None:
    needs = Estimates(SMOKE).needs(*job)
    assert 100 < needs.memory_mb < 700
    assert 1 < needs.seconds < 30
    assert needs.gpus == 0


def test_matches_take_longer_only_where_chance_makes_them_different() -> None:
    def played(game: str, matches: int) -> float:
        changes = {
            "evaluation": {"matches": matches},
            "machine": {"cpu_gigaflops": {"float32": 0.001}},
        }
        config = Config.model_validate(merge(SMOKE.model_dump(exclude_unset=True), changes))
        return Estimates(config).needs("cross_play", game, "embedded").seconds / matches

    assert played("split", 64) > 0.9 * played("split", 8)
    assert played("prisoners_dilemma", 64) < 0.3 * played("prisoners_dilemma", 8)


def test_requests_leave_room_and_grow() -> None:
    needs = Needs(memory_mb=1000, seconds=600)
    assert [needs.memory_asked_for(attempt) for attempt in (1, 2, 3)] == [1600, 2400, 3200]
    assert needs.minutes_asked_for() == 30


def test_a_gpu_that_is_too_small_is_refused() -> None:
    for enough in (GPU, None):
        Estimates(smoke(LARGE, gpu=enough, method="lora")).check_gpus()
    small = smoke(LARGE, gpu={**GPU, "memory_gb": 12.0}, method="lora")
    with pytest.raises(UserError, match=r"needs \d+ GB on a GPU .*memory_gb is 12; raise "):
        Estimates(small).check_gpus()


def test_jobs_of_every_kind_are_looked_at() -> None:
    kinds = {kind for kind, *_ in Estimates(load_scale("laptop")).jobs_on_gpus()}
    assert kinds > pairings.MATCHES.keys() | trainings.SETTINGS.keys()


def test_a_wrong_shape_is_noticed(tmp_path: Path) -> None:
    assert differences(LARGE, tmp_path) == []  # nothing is known of it
    (tmp_path / "config.json").write_text(json.dumps(SHAPE))
    assert differences(LARGE, tmp_path) == []
    wrong = {"text_config": {**SHAPE, "num_hidden_layers": 24}}
    (tmp_path / "config.json").write_text(json.dumps(wrong))
    assert differences(LARGE, tmp_path) == ["num_hidden_layers is 24, not 28"]


def test_an_incomplete_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"n_embd": 768}))
    assert published_shape(tmp_path)["tie_word_embeddings"] is False
    with pytest.raises(UserError, match=r"models\[old\]\.shape is missing, .* say hidden_size"):
        shape_of(HubModel(name="old", kind="hub", source=str(tmp_path)))
