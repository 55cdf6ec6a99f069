"""What a configuration says: files that are merged, what is left out, and settings that win over others."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow
from tests.workflow.edits import (
    SCALES,
    Raw,
    api_player,
    learners,
    load,
    put,
    typed,
    variants,
)

from social_dilemmas.config.load import _said, load_config, load_scale
from social_dilemmas.config.schema.training import Buffer, Credit, Pool
from social_dilemmas.config.settings import (
    clone_settings,
    disturbance_settings,
    learner_settings,
    merge,
    pair_settings,
    settings_differ,
    training_settings,
    variant_settings,
    warm_start_settings,
    with_share,
)
from social_dilemmas.errors import UserError
from social_dilemmas.run.resources import Estimates


def test_a_dilemma_in_which_taking_turns_is_best_is_told(caplog: pytest.LogCaptureFixture) -> None:
    config = load("smoke")
    config["games"][0]["rules"].update(temptation=6)  # 2 * 3 = 6 + 0
    typed(config)
    assert not caplog.records
    config["games"][0]["rules"].update(temptation=10)
    typed(config)
    assert "games[prisoners_dilemma].rules: taking turns at temptation (10)" in caplog.text


def test_settings_that_every_game_overrides_are_told(caplog: pytest.LogCaptureFixture) -> None:
    config = load("smoke")
    config["training"] = {"iterations": 3, "buffer": {"size": 2, "every": 2}}
    for game in config["games"]:
        game["training"]["buffer"] = {"size": 1}
    del config["games"][0]["training"]["iterations"]
    typed(config)
    assert [each.split(": ", 1)[1] for each in caplog.messages] == [
        "training.buffer.size has no effect, as every game says it for itself"
    ]


@pytest.mark.parametrize("scale", SCALES)
def test_the_scales_are_right(scale: str, caplog: pytest.LogCaptureFixture) -> None:
    assert load_scale("laptop" if scale == "config" else scale).scale
    assert not caplog.records


def test_nothing_of_the_laptop_scale_shows_through() -> None:
    """Snakemake merges a configuration file into config.yaml mapping by mapping: there must be none to merge into."""
    merged = {key for key, value in load("config").items() if isinstance(value, dict)}
    assert merged == {"ablations", "prior_sweep", "rivals", "two_learners"}
    assert all(
        load(scale)[key].keys() >= load("config")[key].keys() for scale in SCALES for key in merged
    )


def test_defaults_complete_a_short_file() -> None:
    config = load("smoke")
    del config["training"], config["warm_start"]
    api_player(key_variable=None)(config)
    found = typed(config)
    assert training_settings(found, "split", "naive").temperature == 1.0
    (player,) = found.api_players
    assert player.base_url == "https://api.openai.com/v1"
    assert player.key_variable is None


@pytest.mark.parametrize(
    ("default", "other", "command_line", "sentence"),
    [
        (
            *({}, {"training": {"temperature": -1}}, {}),
            "other.yaml: training.temperature must be greater than 0, but is -1",
        ),
        ({}, {}, {"seeds": []}, "--config: seeds must not be empty, but is []"),
        ({}, {}, {"seeds": ["7.5"]}, "--config: seeds[0] must be a whole number, but is 7.5"),
        (
            {"sales": 3},
            {"seeds": [0]},
            {},
            "default.yaml: unknown key 'sales' in the configuration",
        ),
    ],
)
def test_where_the_mistake_is_said(
    default: Raw, other: Raw, command_line: Raw, sentence: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    default = {**load("smoke"), **default}
    files = [Path("default.yaml"), Path("other.yaml")]
    for file, content in zip(files, (default, other), strict=True):
        file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        load_config(merge(default, other, command_line), files)
    assert str(caught.value).startswith(sentence)


def test_a_mistake_ends_snakemake_before_anything_runs(workflow: Workflow) -> None:
    (workflow.folder / "mine.yaml").write_text("training: {temperature: -1}\n")
    run = workflow.run("--dry-run", "--configfile", "mine.yaml", check=False)
    assert run.returncode != 0
    assert run.stdout.splitlines()[-1] == (
        "mine.yaml: training.temperature must be greater than 0, but is -1"
    )
    assert not (workflow.folder / "results").exists()
    workflow.edit(
        "config/claims.csv", "normalised_welfare,,<=,0.1", "normalised_welfare,,<=,little"
    )
    run = workflow.run("--dry-run", check=False)
    said = run.stdout.splitlines()[-1]
    assert said.startswith("config/claims.csv, line ")
    assert said.endswith(": bound must be a number, but is 'little'")


def test_the_command_line_is_converted_by_type(repository: Workflow, tmp_path: Path) -> None:
    """Snakemake reads nested values as texts."""
    given = ["seeds=[7]", "training={temperature: 5e-1, merge_adapter: false}"]
    said = repository.run("--dry-run", "--directory", str(tmp_path), "--config", *given).stdout
    assert "seed 7" in said
    assert "seed 0" not in said


def test_what_yaml_can_t_read_on_the_command_line_is_a_mistake_like_others() -> None:
    for text in ("[0", "2024-13-45"):
        with pytest.raises(UserError, match="seeds must be a list, but is"):
            typed({**load("smoke"), "seeds": text})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the key"),
        ("- a list", "must hold keys and values"),
        ("a: [", "can't be read as YAML"),
        ("a: 2024-13-45", "can't be read as YAML"),
        ("a: {{ x }}", "can't be read as YAML"),
        ("a: 1\nb: 2\na: 3", "can't be read as YAML: line 3: a stands there twice"),
        ("a:\n  b: {c: 1, c: 2}", "can't be read as YAML: line 2: c stands there twice"),
    ],
)
def test_a_file_that_is_no_configuration(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    for name, content in (("config", ""), ("mine", text)):
        (tmp_path / "config" / f"{name}.yaml").write_text(content)
    with pytest.raises(UserError, match=sentence):
        load_scale("mine", tmp_path)


def test_a_merged_key_may_be_said_anew(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "further:\n  first: &b {x: 1}\n  second: &a {<<: *b, x: 2}\ntop: {<<: *a, y: 1}\n1: a\n'1': b\n"
    )
    said = _said(path)
    assert (said["further"]["second"], said["top"]) == ({"x": 2}, {"x": 2, "y": 1})


def test_a_model_s_folder_may_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"intermediate_size": 8, "vocab_size": 99}
    (tmp_path / "mine" / "config.json").write_text(json.dumps(shape))
    config = load("smoke")
    config["models"] = [{"name": "m", "kind": "hub", "source": "~/mine"}]
    assert Estimates(typed(config)).needs("base", "m").memory_mb > 0


def test_settings_of_a_buffer_that_is_not_there_are_no_change() -> None:
    config = load("smoke")
    config["training"]["buffer"] = {"size": 2, "every": 1}
    other = merge(config, {"training": {"buffer": {"every": 3, "draw": "match"}}})
    for of in (
        lambda found: learner_settings(found, "prisoners_dilemma", "naive", "warm_start"),
        lambda found: pair_settings(found, "prisoners_dilemma", ["naive", "naive"]),
    ):
        assert of(typed(config)) == of(typed(other))


def test_texts_in_files_stay_texts(tmp_path: Path) -> None:
    config = load("smoke")
    config["seeds"] = ["7"]
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"seeds\[0\] must be a whole number"):
        typed(config, file)


@pytest.mark.parametrize("left_out", ["games", "algorithms"])
def test_ablations_and_pairs_of_the_default_file_that_lack_their_game_or_algorithm_are_dropped(
    left_out: str,
) -> None:
    default = REPOSITORY / "config" / "config.yaml"
    config = load("config")
    if left_out == "games":
        config["games"] = config["games"][1:]
    else:
        config["algorithms"] = config["algorithms"][:2]
        for game in config["games"]:
            del game["exploitability"], game["transcripts"]
    found = load_config(config, [default])
    assert found.ablations.games == (["trust_and_split"] if left_out == "games" else [])
    assert len(found.prior_sweep.games) == (1 if left_out == "games" else 2)
    assert len(found.prior_sweep.algorithms) == (2 if left_out == "games" else 1)
    assert "prisoners_dilemma" not in found.rivals.games or left_out == "algorithms"
    games, kept = found.two_learners.games, found.two_learners.pairs
    assert games == ["prisoners_dilemma", "trust_and_split"][left_out == "games" :]
    assert len(kept) == (3 if left_out == "games" else 1)


@pytest.mark.parametrize("ablations", [{}, {"games": ["split"]}, {"variants": [{"name": "a"}]}])
def test_the_default_file_may_leave_out_keys_of_the_ablations(
    ablations: Raw, tmp_path: Path
) -> None:
    config = {**load("config"), "ablations": ablations}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    assert typed(config, file).ablations.algorithm == "advantage_alignment"


def test_variants_are_switched_off_by_leaving_them_no_games() -> None:
    """Though variants of the default file name some."""
    changes: Raw = {"ablations": {"games": []}, "rivals": {"games": []}}
    found = typed(merge(load("config"), changes))
    assert found.ablations.variants
    assert found.ablations.trained == found.rivals.trained == []


def test_equal_settings_are_equal_data_however_they_are_written() -> None:
    config, other = load("smoke"), load("smoke")
    other["games"][1]["training"] = dict(reversed(other["games"][1]["training"].items()))
    other["games"][1]["training"]["reward_scale"] = 100.0
    other["games"][1]["rules"]["quantity"] = 10.0
    first, second = typed(config), typed(other)
    for found in (first, second):
        assert found.game("split").entry["rules"]["quantity"] == 10
    settings = [training_settings(found, "split", "naive").plain() for found in (first, second)]
    assert repr(settings[0]) == repr(settings[1])
    assert repr(first.game("split").entry) == repr(second.game("split").entry)


def test_settings_of_an_algorithm_win() -> None:
    config = load("smoke")
    config["training"]["iterations"] = 1
    config["games"][1]["training"].update(iterations=2, buffer={"size": 5})
    config["games"][1]["training_by_algorithm"] = {"naive": {"iterations": 3}}
    found = typed(config)
    naive = training_settings(found, "split", "naive")
    alignment = training_settings(found, "split", "advantage_alignment")
    assert (naive.iterations, alignment.iterations) == (3, 2)
    assert naive.buffer.model_dump() == {**config["training"]["buffer"], "size": 5}
    assert naive.credit == "naive"
    assert (naive.beta, alignment.beta) == (0, 1)
    assert settings_differ(found, "split")
    assert not settings_differ(found, "prisoners_dilemma")  # credit and beta aside


def test_learners_can_face_everybody_that_there_is() -> None:
    config = load("smoke")
    api_player()(config)
    everybody = ["naive", "sum_of_rewards", "advantage_alignment", "warm_start", "grim", "remote"]
    learners({"naive": everybody})(config)
    assert typed(config)


def test_a_batch_of_several_groups_may_be_the_baseline() -> None:
    config = load("smoke")
    config["games"][1]["training"]["baseline"] = "batch"
    assert typed(config)


def test_settings_of_a_learner() -> None:
    """Those of the algorithm, then those of the game's learners; there are no past agents."""
    config = load("smoke")
    config["training"]["buffer"]["size"] = 3
    config["games"][0]["training_by_algorithm"] = {"naive": {"iterations": 7, "temperature": 0.5}}
    exploitability = config["games"][0]["exploitability"]
    exploitability["training_by_opponent"] = {"warm_start": {"iterations": 5, "beta": 2}}
    typed_config = typed(config)
    own = training_settings(typed_config, "prisoners_dilemma", "naive")
    found, against = (
        learner_settings(typed_config, "prisoners_dilemma", "naive", opponent)
        for opponent in ("advantage_alignment", "warm_start")
    )
    assert found == own.model_copy(update={"iterations": 1, "buffer": Buffer()})
    assert (own.iterations, found.temperature, found.credit) == (7, 0.5, "naive")
    assert against == found.model_copy(update={"iterations": 5})


def test_a_share_of_the_population() -> None:
    weights = {"tit_for_tat": 1.0, "grim": 3.0, "always_cooperate": 2.0, "random": 3.0}
    found = with_share(weights, ["grim", "tit_for_tat", "reciprocator"], 0.2)
    assert found == pytest.approx(
        {"tit_for_tat": 0.05, "grim": 0.15, "always_cooperate": 0.32, "random": 0.48}
    )
    assert with_share(weights, ["grim"], 0).keys() == weights.keys() - {"grim"}
    assert with_share(weights, ["grim"], 1) == {"grim": 1}


def test_settings_of_a_clone_are_those_of_the_warm_start_but_for_its_own() -> None:
    raw = load("smoke")
    raw["warm_start"]["primer"] = {"population": {"random": 1}, "steps": 2}
    config = typed(raw)
    found = clone_settings(config, "trust_and_split")
    assert found.primer is None
    started = warm_start_settings(config, "trust_and_split")
    assert started.primer is not None
    assert (found.player, found.steps, found.method) == ("reciprocator", 2, "lora")
    assert (found.population, found.noise) == (started.population, started.noise)


def test_settings_of_a_variant() -> None:
    config = load("smoke")
    variants(
        {"name": "critic", "training": {"baseline": "critic", "critic": {"steps": 9}}},
        {"name": "naively", "credit": "naive", "training": {"buffer": {"size": 4}}},
        {"name": "no_warm_start", "start": "base"},
    )(config)
    found = typed(config)
    own = training_settings(found, "split", "advantage_alignment")
    critic, naive, same = (
        variant_settings(found, "split", name, "ablations")
        for name in ("critic", "naively", "no_warm_start")
    )
    assert own.critic.steps != config["training"]["critic"]["steps"]  # without effect, so not there
    assert (critic.baseline, critic.critic.steps, critic.critic.gae_lambda) == ("critic", 9, 0.95)
    assert (naive.credit, naive.beta, naive.buffer.size) == ("naive", 0.0, 4)
    assert same == own


@pytest.mark.parametrize(
    ("rounds", "expected"), [(10, 3), (4, 3), (3, 2), (2, 1), (1, 1), ({"least": 1, "most": 9}, 3)]
)
def test_the_round_of_the_slip_leaves_rounds_after_it(rounds: Any, expected: int) -> None:
    config = load("smoke")
    config["games"][1]["rounds"] = rounds
    found = disturbance_settings(typed(config), "split")
    assert (found.slip_round, found.tremble, found.matches) == (expected, 0.05, 4)
    config["disturbances"]["slip_round"] = 1
    assert disturbance_settings(typed(config), "split").slip_round == 1


def test_settings_of_a_rival() -> None:
    """They are those of its algorithm in the game; players of the pool are those of the warm start unless named."""
    config = load("smoke")
    config["games"][0]["training_by_algorithm"] = {"naive": {"iterations": 7}}
    config["rivals"]["games"] = ["prisoners_dilemma"]
    config["rivals"]["variants"] = [
        {"name": "pool", "training": {"pool": {"probability": 0.25}}},
        {"name": "grims", "training": {"pool": {"probability": 0.25, "scripted": ["grim"]}}},
        {"name": "unmixed", "credit": "advantage_alignment_past", "training": {"epochs": 1}},
    ]
    found = typed(config)
    pool, grim, unmixed = (
        variant_settings(found, "prisoners_dilemma", name, "rivals")
        for name in ("pool", "grims", "unmixed")
    )
    assert pool.pool.scripted == ["always_cooperate", "random", "tit_for_tat"]
    assert grim.pool.scripted == ["grim"]
    assert (pool.iterations, pool.credit, pool.beta) == (7, "naive", 0.0)
    assert (unmixed.pool, unmixed.credit, unmixed.beta) == (Pool(), "advantage_alignment_past", 0.5)


def test_all_algorithms_may_have_past_agents() -> None:
    config = load("smoke")
    config["games"][0]["training"]["buffer"] = {"size": 6}
    found = typed(config)
    buffers = [
        training_settings(found, "prisoners_dilemma", algorithm.name).buffer
        for algorithm in found.algorithms
    ]
    assert [buffer.size for buffer in buffers] == [6, 6, 6]
    assert buffers[0] == buffers[1] == buffers[2]


def test_what_has_no_effect_is_no_change() -> None:
    config = load("smoke")
    before = training_settings(typed(config), "split", "naive")
    config["training"] |= {"clip_ratio": 0.1, "pool": {"scripted": ["random"]}}
    assert training_settings(typed(config), "split", "naive") == before


def test_two_learners_differ_in_credit_alone() -> None:
    config = load("smoke")
    buffer = {"buffer": {"size": 4}}
    put("games", 0, "training_by_algorithm", value={"naive": {"learning_rate": 0.5, **buffer}})(
        config
    )
    put("two_learners", "training", value={"discount": 0.8, **buffer})(config)
    found = typed(config)
    assert training_settings(found, "prisoners_dilemma", "naive").learning_rate == 0.5
    first, second = pair_settings(found, "prisoners_dilemma", ["advantage_alignment", "naive"])
    assert (first.credit, first.beta, first.discount) == ("advantage_alignment", 0.5, 0.8)
    assert first.model_copy(update={"credit": "naive", "beta": 0.0}) == second
    assert (second.buffer.size, second.learning_rate) == (0, 0.001)


def test_every_credit_can_be_configured() -> None:
    from social_dilemmas.method.credit import CREDITS

    assert get_args(Credit) == tuple(CREDITS)
