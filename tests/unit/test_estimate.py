"""What a job is said to need, against what is there: tokens, weights, memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY, model_entry

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.config.load import REPOSITORY, read_config
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.warm_start import Recorder
from social_dilemmas.policy.adapters import attach_learner
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.run.estimate.conversation import conversation_of
from social_dilemmas.run.estimate.jobs import Estimates
from social_dilemmas.run.estimate.needs import Needs
from social_dilemmas.run.estimate.shape import NAMES_IN_CONFIG, differences, shape_in, shape_of

SCRIPTS = REPOSITORY / "workflow" / "scripts"
HUB: dict[str, Any] = {
    "name": "large",
    "kind": "hub",
    "source": "somebody/large",
    "dtype": "bfloat16",
    "shape": {
        **{"hidden_size": 3584, "layers": 28, "heads": 28, "key_value_heads": 4},
        **{"feed_forward_size": 18944, "vocabulary": 152064},
    },
}
GPU = {
    **{"memory_gb": 80, "teraflops": 989, "bandwidth_gb": 3350},
    **{"share_in_training": 0.35, "share_in_sampling": 0.5},
}


def smoke(*models: dict[str, Any], gpu: Any = None, **training: Any) -> dict[str, Any]:
    """The smoke scale with other models, on another machine, and with other settings of training."""
    config = {**read_config("smoke")}
    if models:
        config["models"] = list(models)
    config["machine"] = {**config["machine"], "gpu": gpu}
    config["training"] = {**config["training"], **training}
    return config


def of_training(config: dict[str, Any], game: str = "trust_and_split") -> Needs:
    return Estimates(config).needs("training", game, config["models"][0]["name"], "naive")


@pytest.mark.parametrize("name", game_names())
def test_tokens_of_a_conversation(tiny: LanguageModel, name: str) -> None:
    """As the embedded model's own tokenizer counts them."""
    game = build_game(name, 10)
    masks = tiny.masks(game)
    recorder = Recorder(scripted_player(name, "random"), tiny.chat, masks)
    matches = [game.start(seed) for seed in range(8)]
    play(matches, [(recorder, recorder)] * len(matches))
    found = list(recorder.trajectories.values())
    guessed = conversation_of({"name": name, "rounds": 10}, 12, embedded=True)
    tokens = sum(len(transcript.tokens) for transcript in found) / len(found)
    chosen = sum(len(transcript.positions) for transcript in found) / len(found)
    assert guessed.tokens == pytest.approx(tokens, rel=0.1)
    assert guessed.chosen == pytest.approx(chosen, rel=0.2)


def test_messages_are_taken_to_be_as_long_as_they_may_be() -> None:
    entry = {"name": "trust_and_split", "rounds": 2}
    short, long, longest = (conversation_of(entry, n, embedded=False) for n in (10, 50, 10_000))
    # In a round a seat chooses its message, the token that closes it, and a number of coins.
    assert [talk.chosen for talk in (short, long, longest)] == [24, 104, 204]
    # It reads the other's message as well.
    assert long.tokens - short.tokens == pytest.approx(2 * 2 * 40)


def test_weights_are_counted(tiny: LanguageModel) -> None:
    shape = shape_of({**TINY, "name": "tiny"})
    weights = sum(parameter.numel() for parameter in tiny.model.parameters())
    assert shape.parameters == pytest.approx(weights, rel=0.2)  # the vocabulary is a guess
    shown = shape_in(tiny.path)
    assert shown is not None
    assert shown["layers"] == shape.layers
    assert shown["vocabulary"] == len(tiny.tokenizer)


@pytest.mark.parametrize("rank", [2, 8])
def test_weights_of_an_adapter_are_counted(base_model: Path, rank: int) -> None:
    from social_dilemmas.policy.model import load_model

    model = attach_learner(load_model(base_model, device="cpu"), rank=rank, alpha=4, seed=0)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert shape_of({**TINY, "name": "tiny"}).adapter_parameters(rank) == trained


def test_known_numbers_of_parameters() -> None:
    """As their model cards say: 7.62, 8.03, 8.19, 3.88 (its language model), 0.49 and 1.54 thousand million."""
    models = [*read_config("paper")["models"], *read_config("workstation")["models"]]
    millions = [round(shape_of(model).parameters / 1e6) for model in models]
    assert millions == pytest.approx([7616, 8030, 8191, 3880, 494, 1544], rel=0.005)


MEASURE = """
import json, re, sys
job = json.loads(sys.stdin.read())
from pathlib import Path
import torch
torch.set_num_threads(1)
from social_dilemmas.method.train import Trainer
Trainer(Path(job["model"]), job["game"], job["settings"], 0, Path(job["output"])).run()
status = Path("/proc/self/status").read_text()  # getrusage would tell the parent's peak if that is higher
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024 / 1e6)
"""
SMALL = {**TINY, "name": "small"}
WIDE = {
    **{"name": "wide", "kind": "embedded", "seed": 0, "hidden_size": 128, "layers": 4},
    **{"heads": 4, "feed_forward_size": 256, "merges": 64},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "training"),
    [
        (SMALL, {}),
        (WIDE, {"fold_adapter": False}),
        (WIDE, {"gradient_checkpointing": True}),
    ],
    ids=["small", "wide", "checkpointing"],
)
def test_memory_of_a_training(
    model: dict[str, Any], training: dict[str, Any], tmp_path: Path
) -> None:
    from social_dilemmas.config.settings import training_settings
    from social_dilemmas.policy.model import write_base_model

    write_base_model(model_entry(model), *game_texts([{"name": "split"}]), tmp_path / "model")
    config = smoke(model, **training)
    game = {"name": "split", "rounds": 10, "rules": {}}
    for entry in config["games"]:
        if entry["name"] == "split":
            entry["rounds"] = 10
            entry["training"] = {**entry["training"], "matches": 32, "iterations": 1}
    job = {
        "model": str(tmp_path / "model"),
        "game": game,
        "settings": training_settings(config, "split", "naive"),
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


def test_what_saves_memory_is_said_to() -> None:
    wide = of_training(smoke(HUB, micro_batch=64), "split").memory_mb
    for saving in (
        {"micro_batch": 2},
        {"micro_batch_tokens": 1000},
        {"gradient_checkpointing": True},
    ):
        assert of_training(smoke(HUB, **{"micro_batch": 64, **saving}), "split").memory_mb < wide
    half = smoke({**HUB, "dtype": "float32"}, micro_batch=64, fold_adapter=False)
    assert of_training(half, "split").memory_mb > 1.6 * wide


def test_a_gpu_for_each_process() -> None:
    one = of_training(smoke(HUB, gpu=GPU))
    two = of_training(smoke(HUB, gpu=GPU, processes=2))
    none = of_training(smoke(HUB))
    assert [needs.gpus for needs in (one, two, none)] == [1, 2, 0]
    assert [needs.processes for needs in (one, two, none)] == [1, 2, 1]
    assert two.gpu_memory_mb < one.gpu_memory_mb
    assert two.seconds < one.seconds < none.seconds
    assert none.gpu_memory_mb == 0
    assert 15_231 < one.gpu_memory_mb < 80_000  # 7.6 thousand million weights of 2 bytes, and more
    base = Estimates(smoke(HUB, gpu=GPU)).needs("base", "large")
    assert (base.gpus, round(base.disk_mb)) == (0, 15_231)


def test_a_server_takes_its_share() -> None:
    own, served = (of_training(smoke(HUB, gpu=GPU, sampler=name)) for name in ("trainer", "vllm"))
    assert served.seconds < own.seconds  # no time is lost between passes
    assert served.gpu_memory_mb > 15_231 + 0.5 * 80_000


def test_time_goes_by_what_there_is_to_do() -> None:
    once = of_training(smoke())
    config = smoke()
    for game in config["games"]:
        game["training"] = {**game["training"], "iterations": 20}
    assert of_training(config).seconds > once.seconds
    slow = {**smoke(), "machine": {"cpu_gigaflops": 0.001, "gpu": None}}
    assert of_training(slow).seconds > 5 * once.seconds


def test_no_warm_start_leaves_nothing_on_the_disk() -> None:
    config = smoke(HUB)
    config["games"][0]["warm_start"] = {"population": {}, "steps": 0}
    estimates = Estimates(config)
    first, second = (
        estimates.needs("warm_start", game, "large") for game in ("prisoners_dilemma", "split")
    )
    assert first.disk_mb == 0
    assert second.disk_mb > 15_000
    assert first.memory_mb < second.memory_mb


def test_every_kind_of_job_has_an_estimate() -> None:
    estimates = Estimates(read_config("smoke"))
    place = ("prisoners_dilemma", "embedded")
    for job in (
        ("base", "embedded"),
        ("warm_start", *place),
        ("training", *place, "naive"),
        ("learner", *place, "naive", "advantage_alignment"),
        ("variant", "split", "embedded", "critic"),
        ("cross_play", *place),
        ("variant_matches", "split", "embedded", "critic"),
        ("learner_matches", *place),
        ("tournament", *place),
        ("strategies", "prisoners_dilemma"),
        ("transcripts", *place),
        ("table",),
        ("figure",),
    ):
        needs = estimates.needs(*job)
        assert 100 < needs.memory_mb < 700, job
        assert 1 < needs.seconds < 30, job
        assert needs.gpus == 0


def test_what_is_asked_for_leaves_room_and_grows() -> None:
    needs = Needs(memory_mb=1000, seconds=600)
    assert [needs.memory_asked_for(attempt) for attempt in (1, 2, 3)] == [1600, 2400, 3200]
    assert needs.minutes_asked_for() == 30


def test_a_gpu_that_is_too_small_is_refused() -> None:
    fits, too_small, none = (smoke(HUB, gpu=gpu) for gpu in (GPU, {**GPU, "memory_gb": 12}, None))
    for config in (fits, too_small, none):
        config["warm_start"] = {**config["warm_start"], "method": "lora"}
    Estimates(fits).check_gpus()
    Estimates(none).check_gpus()
    with pytest.raises(UserError, match=r"needs \d+ GB on a GPU .*memory_gb is 12; raise "):
        Estimates(too_small).check_gpus()


def test_a_wrong_shape_is_noticed(tmp_path: Path) -> None:
    assert differences(HUB, tmp_path) == []  # nothing is known of it
    said = {theirs: HUB["shape"].get(ours) for ours, theirs in NAMES_IN_CONFIG.items()}
    told = {key: value for key, value in said.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(told))
    assert differences(HUB, tmp_path) == []
    wrong = {**told, "num_hidden_layers": 24}
    (tmp_path / "config.json").write_text(json.dumps({"text_config": wrong}))
    assert differences(HUB, tmp_path) == ["layers is 24, not 28"]


def test_a_folder_tells_its_shape(tiny: LanguageModel) -> None:
    shape = shape_of({"name": "local", "kind": "hub", "source": str(tiny.path)})
    assert shape.vocabulary == len(tiny.tokenizer)
    assert shape.dtype == "float32"
    weights = sum(parameter.numel() for parameter in tiny.model.parameters())
    assert shape.parameters == pytest.approx(weights, rel=0.02)
