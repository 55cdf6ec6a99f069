"""Estimates of what a job needs, against what is there: tokens, weights, memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.config.schema import Config, EmbeddedModel, HubModel, Shape, WarmStart
from social_dilemmas.config.settings import merge, training_settings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.warm_start import Population
from social_dilemmas.policy.model import LanguageModel, load_model, write_base_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run.conversation import conversation_of
from social_dilemmas.run.resources import Estimates, Needs
from social_dilemmas.run.shape import differences, published_shape, shape_of

SCRIPTS = REPOSITORY / "workflow" / "scripts"
GPU = {
    **{"memory_gb": 80.0, "teraflops": 989.0, "bandwidth_gb": 3350.0},
    **{"share_in_training": 0.35, "share_in_sampling": 0.5},
}
LARGE = HubModel(
    name="large",
    kind="hub",
    source="somebody/large",
    dtype="bfloat16",
    shape=Shape(
        hidden_size=3584,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        intermediate_size=18944,
        vocab_size=152064,
    ),
)


def embedded(hidden_size: int, layers: int, heads: int, intermediate_size: int) -> EmbeddedModel:
    return EmbeddedModel(
        name="small",
        kind="embedded",
        seed=0,
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate_size,
        merges=64,
    )


TINY = embedded(16, 2, 2, 32)  # of the fixture `tiny`
WIDE = embedded(128, 4, 4, 256)


def smoke(
    *models: EmbeddedModel | HubModel, gpu: Any = None, split: Any = None, **training: Any
) -> Config:
    """The smoke scale with other models, on another machine, and with other settings of training and of Split."""
    said = load_scale("smoke").model_dump(exclude_unset=True)
    games = [
        merge(game, split or {}) if game["name"] == "split" else game for game in said["games"]
    ]
    changed = {"games": games, "machine": {"gpu": gpu}, "training": training}
    if models:
        changed["models"] = [model.model_dump() for model in models]
    return Config.model_validate(merge(said, changed))


def of_training(config: Config, game: str = "trust_and_split") -> Needs:
    return Estimates(config).needs("training", game, config.models[0].name, "naive")


@pytest.mark.parametrize("name", game_names())
def test_tokens_of_a_conversation(tiny: LanguageModel, name: str) -> None:
    """As the embedded model's own tokenizer counts them."""
    settings = WarmStart(population={"random": 1.0}, noise=0.0, steps=0)
    played = Population(Policy(tiny, build_game(name, 10)), settings).trajectories(8, "tokens")
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
    [
        (TINY, {}),
        (WIDE, {"merge_adapter": False}),
        (WIDE, {"activation_checkpointing": True}),
    ],
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


def test_what_saves_memory_is_estimated_to() -> None:
    wide = of_training(smoke(LARGE, micro_batch=64), "split").memory_mb
    for saving in (
        {"micro_batch": 2},
        {"micro_batch_tokens": 1000},
        {"activation_checkpointing": True},
    ):
        changed = smoke(LARGE, **{"micro_batch": 64, **saving})
        assert of_training(changed, "split").memory_mb < wide
    single = LARGE.model_copy(update={"dtype": "float32"})
    config = smoke(single, micro_batch=64, merge_adapter=False)
    assert of_training(config, "split").memory_mb > 1.6 * wide


def test_a_gpu_for_each_process() -> None:
    one, two = (of_training(smoke(LARGE, gpu=GPU, world_size=number)) for number in (1, 2))
    none = of_training(smoke(LARGE))
    assert [needs.gpus for needs in (one, two, none)] == [1, 2, 0]
    assert [needs.world_size for needs in (one, two, none)] == [1, 2, 1]
    assert two.gpu_memory_mb < one.gpu_memory_mb
    assert two.seconds < one.seconds < none.seconds
    assert none.gpu_memory_mb == 0
    assert 15_231 < one.gpu_memory_mb < 80_000  # 7.6 billion weights of 2 bytes, and more
    base = Estimates(smoke(LARGE, gpu=GPU)).needs("base", "large")
    assert (base.gpus, round(base.disk_mb)) == (0, 15_231)


def test_a_server_takes_its_share() -> None:
    samplers = ("trainer", "vllm")
    own, served = (of_training(smoke(LARGE, gpu=GPU, sampler=name)) for name in samplers)
    assert served.seconds < own.seconds  # no time is lost between passes
    assert served.gpu_memory_mb > 15_231 + 0.5 * 80_000


def test_time_grows_with_the_work() -> None:
    once = of_training(smoke(), "split")
    longer = of_training(smoke(split={"training": {"iterations": 20}}), "split")
    assert longer.seconds > once.seconds
    slow = merge(smoke().model_dump(exclude_unset=True), {"machine": {"cpu_gigaflops": 0.001}})
    assert of_training(Config.model_validate(slow), "split").seconds > 5 * once.seconds


def test_no_warm_start_leaves_nothing_on_the_disk() -> None:
    estimates = Estimates(smoke(LARGE, split={"warm_start": {"population": {}, "steps": 0}}))
    without, trained = (
        estimates.needs("warm_start", game, "large") for game in ("split", "prisoners_dilemma")
    )
    assert without.disk_mb == 0
    assert trained.disk_mb > 15_000
    assert without.memory_mb < trained.memory_mb


PLACE = ("prisoners_dilemma", "embedded")
KINDS = (
    *(("base", "embedded"), ("warm_start", *PLACE), ("training", *PLACE, "naive")),
    ("learner", *PLACE, "naive", "advantage_alignment"),
    *(
        ("variant", "split", "embedded", "critic"),
        ("variant_matches", "split", "embedded", "critic"),
    ),
    *(("cross_play", *PLACE), ("learner_matches", *PLACE), ("tournament", *PLACE)),
    *(("strategies", "prisoners_dilemma"), ("transcripts", *PLACE), ("table",), ("figure",)),
)


@pytest.mark.parametrize("job", KINDS, ids=lambda job: job[0])
def test_every_kind_of_job_has_an_estimate(job: tuple[str, ...]) -> None:
    needs = Estimates(load_scale("smoke")).needs(*job)
    assert 100 < needs.memory_mb < 700
    assert 1 < needs.seconds < 30
    assert needs.gpus == 0


def test_requests_leave_room_and_grow() -> None:
    needs = Needs(memory_mb=1000, seconds=600)
    assert [needs.memory_asked_for(attempt) for attempt in (1, 2, 3)] == [1600, 2400, 3200]
    assert needs.minutes_asked_for() == 30


def test_a_gpu_that_is_too_small_is_refused() -> None:
    def estimates(gpu: Any) -> Estimates:
        said = smoke(LARGE, gpu=gpu).model_dump(exclude_unset=True)
        return Estimates(Config.model_validate(merge(said, {"warm_start": {"method": "lora"}})))

    estimates(GPU).check_gpus()
    estimates(None).check_gpus()
    with pytest.raises(UserError, match=r"needs \d+ GB on a GPU .*memory_gb is 12; raise "):
        estimates({**GPU, "memory_gb": 12.0}).check_gpus()


def test_a_wrong_shape_is_noticed(tmp_path: Path) -> None:
    assert differences(LARGE, tmp_path) == []  # nothing is known of it
    assert LARGE.shape is not None
    right = LARGE.shape.model_dump(exclude_unset=True)
    (tmp_path / "config.json").write_text(json.dumps(right))
    assert differences(LARGE, tmp_path) == []
    wrong = {"text_config": {**right, "num_hidden_layers": 24}}
    (tmp_path / "config.json").write_text(json.dumps(wrong))
    assert differences(LARGE, tmp_path) == ["num_hidden_layers is 24, not 28"]


def test_an_incomplete_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"n_embd": 768}))
    assert published_shape(tmp_path)["tie_word_embeddings"] is False
    with pytest.raises(UserError, match=r"models\[old\]\.shape is missing, .* say hidden_size"):
        shape_of(HubModel(name="old", kind="hub", source=str(tmp_path)))
