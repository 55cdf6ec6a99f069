"""Mistakes in the configuration are told in one sentence, before anything runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow

from social_dilemmas.config.check import check, with_defaults
from social_dilemmas.config.settings import (
    ablation_settings,
    learner_settings,
    training_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games.matrix_game import COORDINATION

Config = dict[str, Any]
SCHEMA = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
SCALES = [path.stem for path in (REPOSITORY / "config").glob("*.yaml")]


def load(scale: str) -> Config:
    return yaml.safe_load((REPOSITORY / "config" / f"{scale}.yaml").read_text())


def put(*place: str | int, value: Any) -> Callable[[Config], None]:
    """An edit: a value at a place."""

    def edit(config: Config) -> None:
        for step in place[:-1]:
            config = config[step]  # type: ignore[index]
        config[place[-1]] = value  # type: ignore[index]

    return edit


def remove(*place: str | int) -> Callable[[Config], None]:
    """An edit: nothing at a place."""

    def edit(config: Config) -> None:
        for step in place[:-1]:
            config = config[step]  # type: ignore[index]
        del config[place[-1]]  # type: ignore[arg-type]

    return edit


def api_player(*entries: Config, **more: Any) -> Callable[[Config], None]:
    """An edit: players behind a server; one if no entries are given."""
    listed = [{"name": "remote", "model": "m", **entry} for entry in entries or ({},)]
    return put("api_players", value=[{**entry, **more} for entry in listed])


def matrix_game(payoffs: Any) -> Config:
    """An entry for a matrix game with that table."""
    return {
        "name": "mine",
        "kind": "matrix_game",
        "rounds": 3,
        "rules": {"payoffs": payoffs},
        "warm_start": {"population": {"random": 1}, "steps": 1},
        "training": {"discount": 0.9, "reward_scale": 5, "beta": 0.5, "iterations": 1},
        "training_by_algorithm": {},
        "evaluation": {"opponents": ["random"]},
    }


def learners(chosen: Any) -> Callable[[Config], None]:
    """An edit: who learns against whom in the prisoner's dilemma."""
    return put("games", 0, "exploitability", "learners", value=chosen)


def variants(*entries: Config) -> Callable[[Config], None]:
    """An edit: the variants of the ablations."""
    return put("ablations", "variants", value=[*entries])


SPLIT = ("games", 1)
LEARNERS = "games[prisoners_dilemma].exploitability.learners"
MISTAKES: list[tuple[Callable[[Config], None], list[str]]] = [
    # typos
    (put("seed", value=[0]), ["unknown key 'seed'", "did you mean 'seeds'", "games"]),
    (put("training", "lerning_rate", value=0.1), ["'lerning_rate' in training", "'learning_rate'"]),
    (put(*SPLIT, "round", value=3), ["'round' in games[split]", "'rounds'"]),
    (put(*SPLIT, "training", "betta", value=3), ["'betta' in games[split].training", "'beta'"]),
    (
        put(*SPLIT, "training_by_algorithm", value={"naive": {"betta": 1}}),
        ["'betta' in games[split].training_by_algorithm.naive"],
    ),
    (put(*SPLIT, "rules", "kind", value=["hats"]), ["split", "'kind'", "kinds"]),
    (put("models", 0, "layer", value=1), ["'layer' in models[embedded]", "'layers'"]),
    (put("training", "buffer", "sise", value=1), ["'sise' in training.buffer", "'size'"]),
    # names of nothing
    (put(*SPLIT, "name", value="chess"), ["unknown game 'chess'", "trust_and_split"]),
    (put("algorithms", 0, "credit", value="greedy"), ["algorithms[naive].credit", "naive, sum_of"]),
    (put("models", 0, "kind", value="magic"), ["models[embedded].kind", "embedded, hub"]),
    (
        put(*SPLIT, "evaluation", "opponents", value=["greedi"]),
        ["unknown player 'greedi' in games[split].evaluation.opponents", "'greedy'"],
    ),
    (put(*SPLIT, "warm_start", "population", value={"grim": 1}), ["unknown player 'grim'"]),
    (put(*SPLIT, "training_by_algorithm", value={"naif": {}}), ["unknown algorithm 'naif'"]),
    (put("training", "opponent", value={"player": "grim"}), ["unknown key 'opponent' in training"]),
    (
        put("tournament", "strategies", value=["all", "Tit for Tat"]),
        ["unknown strategy 'Tit for Tat' of the Axelrod library", "'Tit For Tat'"],
    ),
    (put("tournament", "matches", value=3), ["tournament.matches must be a multiple of 2"]),
    # what is missing
    (remove("seeds"), ["the key seeds is missing"]),
    (remove(*SPLIT, "rounds"), ["the key games[split].rounds is missing"]),
    (remove(*SPLIT, "training", "discount"), ["games[split].training.discount is missing"]),
    (remove(*SPLIT, "warm_start", "steps"), ["games[split].warm_start.steps is missing"]),
    (remove(*SPLIT, "evaluation", "opponents"), ["games[split].evaluation.opponents is missing"]),
    (put("evaluation", "matches", value=3), ["evaluation.matches must be a multiple of 2"]),
    (remove("models", 0, "layers"), ["models[embedded].layers is missing"]),
    # empty, repeated
    (put("seeds", value=[]), ["seeds must not be empty"]),
    (put("games", value=[]), ["games must not be empty"]),
    (put(*SPLIT, "warm_start", "population", value={}), ["population must not be empty"]),
    (put("seeds", value=[1, 1]), ["seeds must not hold anything twice", "[1, 1]"]),
    (put("algorithms", 1, "name", value="naive"), ["algorithms has two entries", "'naive'"]),
    (put("algorithms", 1, "name", value="greedy"), ["algorithms", "'greedy'"]),
    # numbers and types
    (put("seeds", value=[-1]), ["seeds[0] must be at least 0", "-1"]),
    (put("seeds", value=3), ["seeds must be a list", "3"]),
    (put("training", "learning_rate", value=-0.1), ["must be greater than 0", "-0.1"]),
    (put("training", "learning_rate", value="3e-6"), ["must be a number", "1.0e-3 for a number"]),
    (put(*SPLIT, "rounds", value=2.5), ["games[split].rounds must be a whole number"]),
    (put(*SPLIT, "rounds", value=0), ["games[split].rounds must be at least 1"]),
    (
        put(*SPLIT, "rounds", value={"least": 0, "most": 3}),
        ["games[split].rounds.least must be at least 1, but is 0"],
    ),
    (
        put(*SPLIT, "rounds", value={"least": 4, "most": 3}),
        ["split: rounds.least must be at most rounds.most, 3, but is 4"],
    ),
    (
        put(*SPLIT, "rounds", value={"continuation": 1, "most": 3}),
        ["games[split].rounds.continuation must be less than 1"],
    ),
    (put(*SPLIT, "rounds", value={"least": 2}), ["the key games[split].rounds.most is missing"]),
    (put(*SPLIT, "rounds", value={"most": 2}), ["split: rounds must be a number, {least, most}"]),
    (
        put(*SPLIT, "rounds", value={"last": 2, "most": 3}),
        ["unknown key 'last' in games[split].rounds, did you mean 'least'"],
    ),
    (put(*SPLIT, "kind", value="chess"), ["split: unknown game 'chess'", "matrix_game"]),
    (
        put("games", 0, value={**matrix_game(COORDINATION), "name": "chicken"}),
        ["games: 'chicken' is the name of another kind than 'matrix_game'"],
    ),
    (put(*SPLIT, "name", value="My Split"), ["must consist of lower-case letters", "My Split"]),
    (put("games", 0, value=matrix_game([[3, 0], [5, 1]])), ["a table of two or more actions"]),
    (
        put("games", 0, value=matrix_game({"A": {"A": [3, 3], "B": [0, 5]}, "B": {"A": [5, 0]}})),
        ["mine: matrix_game: payoffs.B must have points against A, B in this order, but has A"],
    ),
    (
        put("games", 0, value=matrix_game({"A": {"A": [3, 3], "B": [0]}, "B": {}})),
        ["mine: matrix_game: payoffs.B must have points against A, B"],
    ),
    (put(*SPLIT, "warm_start", "noise", value=1.5), ["noise must be at most 1"]),
    (put(*SPLIT, "rules", "quantity", value=-1), ["quantity", "-1"]),
    (put(*SPLIT, "rules", "quantity", value="ten"), ["split", "quantity", "'ten'"]),
    (put(*SPLIT, "rules", "kinds", value=3), ["games[split].rules"]),
    (put("games", 0, "rules", "reward", value=9), ["prisoners_dilemma", "temptation > reward"]),
    (put(*SPLIT, "training", "group_size", value=1), ["group_size must be at least 2"]),
    (put(*SPLIT, "training", "group_size", value=7), ["must be a multiple of group_size", "7"]),
    (
        put(*SPLIT, "training", "processes", value=5),
        ["processes must be no more than matches", "5"],
    ),
    (put(*SPLIT, "training", "micro_batch_tokens", value=0), ["micro_batch_tokens", "at least 1"]),
    (
        put(*SPLIT, "training_by_algorithm", value={"naive": {"group_size": 7}}),
        ["must be a multiple of group_size", "7"],
    ),
    (put("models", 0, "heads", value=3), ["hidden_size must be a multiple of twice the heads"]),
    (put("scale", value="My Scale"), ["scale must consist of lower-case letters"]),
    (put("training", value=None), ["training must be a mapping", "None"]),
    (put("training", "kl_estimator", value="k1"), ["must be one of forward, reverse", "'k1'"]),
    # transcripts
    (
        put(*SPLIT, "transcripts", value={"pairings": [["naive", "greedi"]]}),
        ["unknown agent 'greedi' in games[split].transcripts.pairings", "'greedy'", "warm_start"],
    ),
    (
        put(*SPLIT, "transcripts", value={"pairings": [["naive"]]}),
        ["games[split].transcripts.pairings[0] must hold 2 entries"],
    ),
    (put(*SPLIT, "transcripts", value={"match": 3}), ["'match' in games[split].transcripts"]),
    (put("transcripts", "matches", value=0), ["transcripts.matches must be at least 1"]),
    # the baseline
    (put("training", "baseline", value="value"), ["training.baseline", "group, batch, critic"]),
    (put("training", "critic", "trace_decay", value=2), ["critic.trace_decay must be at most 1"]),
    (put("training", "critic", "step", value=2), ["'step' in training.critic", "'steps'"]),
    (
        put("games", 0, "training", "baseline", value="batch"),
        ["games[prisoners_dilemma].training.baseline batch", "group_size and matches both are 4"],
    ),
    (
        put(*SPLIT, "training_by_algorithm", value={"naive": {"baseline": "batch", "matches": 2}}),
        ["games[split].training.baseline batch", "group_size and matches both are 2"],
    ),
    # learners against opponents that don't learn
    (learners({"naif": ["warm_start"]}), [f"unknown algorithm 'naif' in {LEARNERS}", "'naive'"]),
    (
        learners({"naive": ["warm_start", "greedy"]}),
        [f"unknown opponent 'greedy' in {LEARNERS}", "naive, sum_of_rewards", "warm_start", "grim"],
    ),
    (learners({"naive": ["remote"]}), [f"unknown opponent 'remote' in {LEARNERS}"]),
    (learners({"naive": "warm_start"}), [f"{LEARNERS}.naive must be a list"]),
    (learners({"naive": ["grim", "grim"]}), [f"{LEARNERS}.naive must not hold anything twice"]),
    (learners(["naive"]), [f"{LEARNERS} must be a mapping"]),
    (
        put("games", 0, "exploitability", "training_by_opponent", value={"grimm": {}}),
        ["unknown opponent 'grimm' in games[prisoners_dilemma].exploitability.training_by_opp"],
    ),
    (
        variants({"name": "a", "games": ["spilt"]}),
        ["unknown game 'spilt' in the variant 'a' of the ablations"],
    ),
    (
        put("games", 0, "exploitability", "training", value={"group_size": 3}),
        ["games[prisoners_dilemma].exploitability.training.matches must be a multiple", "3"],
    ),
    (
        put("games", 0, "exploitability", "training", value={"baseline": "batch"}),
        ["games[prisoners_dilemma].exploitability.training.baseline batch", "both are 4"],
    ),
    (
        put("games", 0, "exploitability", "training", value={"iteration": 3}),
        ["'iteration' in games[prisoners_dilemma].exploitability.training", "'iterations'"],
    ),
    # ablations
    (put("ablations", "algorithm", value="naif"), ["unknown algorithm 'naif' in ablations.algo"]),
    (put("ablations", "games", value=["spilt"]), ["unknown game 'spilt' in ablations.games"]),
    (variants({"name": "a"}, {"name": "a"}), ["ablations: 'a' already is another variant's"]),
    (variants({"name": "naive"}), ["ablations: 'naive' already is another variant's or agent's"]),
    (variants({"name": "greedy"}), ["ablations: 'greedy' already is another"]),
    (variants({"name": "warm_start"}), ["ablations: 'warm_start' already is another"]),
    (variants({"name": "No Buffer"}), ["ablations.variants", "must consist of lower-case"]),
    (variants({"start": "base"}), ["the key ablations.variants[0].name is missing"]),
    (variants({"name": "a", "start": "nowhere"}), ["ablations.variants[a].start must be one of"]),
    (variants({"name": "a", "credit": "greed"}), ["ablations.variants[a].credit must be one of"]),
    (variants({"name": "a", "trainig": {}}), ["'trainig' in ablations.variants[a]", "'training'"]),
    (
        variants({"name": "a", "training": {"betta": 1}}),
        ["'betta' in ablations.variants[a].training", "'beta'"],
    ),
    (
        variants({"name": "a"}, {"name": "b", "training": {"baseline": "batch", "group_size": 4}}),
        ["ablations.variants[b].training.baseline batch", "group_size and matches both are 4"],
    ),
    (
        variants({"name": "a", "training": {"group_size": 3}}),
        ["ablations.variants[a].training.matches must be a multiple of group_size"],
    ),
    # players behind a server
    (api_player(modle="m"), ["unknown key 'modle' in api_players[remote]", "'model'"]),
    (put("api_players", value=[{"name": "remote"}]), ["api_players[remote].model is missing"]),
    (api_player(name="greedy"), ["api_players: 'greedy' already is another agent's name"]),
    (api_player(name="naive"), ["'naive' already is another agent's name"]),
    (api_player(name="warm_start"), ["'warm_start' already is another agent's name"]),
    (api_player({}, {}), ["api_players has two entries with the name 'remote'"]),
    (api_player(base_url="localhost:8000"), ["api_players[remote].base_url", "localhost:8000"]),
    (api_player(base_url="http://[::1"), ["api_players[remote].base_url must be an address"]),
    (api_player(base_url="http://a:99999"), ["api_players[remote].base_url must be an address"]),
    (api_player(base_url="https://me:secret@host/v1"), ["base_url must hold no user, password"]),
    (api_player(base_url="https://host/v1?key=secret"), ["base_url must hold no user, password"]),
    (api_player(temperature="hot"), ["temperature must be a number or null", "'hot'"]),
    (api_player(key_variable=""), ["key_variable must not be empty"]),
    (api_player(prompt_price=2), ["prompt_price and completion_price must both be given"]),
]


@pytest.mark.parametrize(("edit", "parts"), MISTAKES, ids=[parts[0] for _, parts in MISTAKES])
def test_a_mistake_is_told_in_one_sentence(
    edit: Callable[[Config], None], parts: list[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load("smoke")
    edit(config)
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as caught:
        check(with_defaults(config, SCHEMA), SCHEMA, [file])
    sentence = str(caught.value)
    assert sentence.startswith("my.yaml: ")
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("scale", SCALES)
def test_the_scales_are_right(scale: str) -> None:
    check(with_defaults(load(scale), SCHEMA), SCHEMA, [])


@pytest.mark.parametrize("scale", SCALES)
def test_nothing_of_the_laptop_scale_shows_through(scale: str) -> None:
    """Snakemake merges a configuration file into config.yaml, mapping by mapping."""
    default, own = load("config"), load(scale)
    assert default.keys() == own.keys()
    for section in ("warm_start", "training", "evaluation"):
        assert default[section].keys() <= own[section].keys()
        assert default[section].get("buffer", {}).keys() == own[section].get("buffer", {}).keys()


def test_a_short_file_is_completed_by_the_defaults() -> None:
    config = load("config")
    del config["training"]["temperature"], config["warm_start"]
    completed = with_defaults(config, SCHEMA)
    check(completed, SCHEMA, [])
    assert completed["training"]["temperature"] == 1.0
    assert completed["warm_start"]["method"] == "full"


def test_a_player_behind_a_server_is_completed_by_the_defaults() -> None:
    config = load("smoke")
    api_player(key_variable=None)(config)
    completed = with_defaults(config, SCHEMA)
    check(completed, SCHEMA, [])
    (player,) = completed["api_players"]
    assert player.keys() == SCHEMA["$defs"]["api_player"]["properties"].keys()
    assert player["key_variable"] is None
    assert player["base_url"] == "https://api.openai.com/v1"


def test_the_file_that_holds_the_mistake_is_named(workflow: Workflow) -> None:
    (workflow.folder / "mine.yaml").write_text("training: {temperature: -1}\n")
    run = workflow.run("--dry-run", "--configfile", "mine.yaml", check=False)
    assert run.returncode != 0
    assert run.stdout.splitlines()[-1] == (
        "mine.yaml: training.temperature must be greater than 0, but is -1"
    )
    run = workflow.run("--dry-run", "--config", "seeds=[]", check=False)
    assert run.stdout.splitlines()[-1] == "--config: seeds must not be empty, but is []"
    workflow.edit("config/config.yaml", "scale: laptop", "scale: laptop\nsales: 3")
    run = workflow.run("--dry-run", "--configfile", "mine.yaml", check=False)
    assert run.stdout.splitlines()[-1].startswith("config/config.yaml: unknown key 'sales'")
    assert not (workflow.folder / "results").exists()


def test_settings_of_an_algorithm_win() -> None:
    config = load("smoke")
    config["training"]["iterations"] = 1
    config["games"][1]["training"].update(iterations=2, buffer={"size": 5})
    config["games"][1]["training_by_algorithm"] = {"naive": {"iterations": 3}}
    naive = training_settings(config, "split", "naive")
    alignment = training_settings(config, "split", "advantage_alignment")
    assert (naive["iterations"], alignment["iterations"]) == (3, 2)
    assert naive["buffer"] == {**config["training"]["buffer"], "size": 5}
    assert naive["credit"] == "naive"
    assert (naive["beta"], alignment["beta"]) == (0, 1)


def test_learners_can_face_everybody_that_there_is() -> None:
    config = load("smoke")
    api_player()(config)
    everybody = ["naive", "sum_of_rewards", "advantage_alignment", "warm_start", "grim", "remote"]
    learners({"naive": everybody})(config)
    check(with_defaults(config, SCHEMA), SCHEMA, [])


def test_a_batch_of_several_groups_may_be_the_baseline() -> None:
    config = load("smoke")
    config["games"][1]["training"]["baseline"] = "batch"
    check(with_defaults(config, SCHEMA), SCHEMA, [])


def test_settings_of_a_learner() -> None:
    """Those of the algorithm, then those of the game's learners; there is no buffer."""
    config = load("smoke")
    config["training"]["buffer"]["size"] = 3
    config["games"][0]["training_by_algorithm"] = {"naive": {"iterations": 7, "temperature": 0.5}}
    config = with_defaults(config, SCHEMA)
    exploitability = config["games"][0]["exploitability"]
    exploitability["training_by_opponent"] = {"warm_start": {"iterations": 5, "beta": 2}}
    found = learner_settings(config, "prisoners_dilemma", "naive", "advantage_alignment")
    own = training_settings(config, "prisoners_dilemma", "naive")
    assert found == {**own, "iterations": 1, "buffer": {**own["buffer"], "size": 0}}
    assert (own["iterations"], found["temperature"], found["credit"]) == (7, 0.5, "naive")
    against = learner_settings(config, "prisoners_dilemma", "naive", "warm_start")
    assert against == {**found, "iterations": 5}


def test_settings_of_a_variant() -> None:
    config = with_defaults(load("smoke"), SCHEMA)
    variants(
        {"name": "critic", "training": {"baseline": "critic", "critic": {"steps": 9}}},
        {"name": "naively", "credit": "naive", "training": {"buffer": {"size": 4}}},
        {"name": "no_warm_start", "start": "base"},
    )(config)
    own = training_settings(config, "split", "advantage_alignment")
    critic, naive, same = (
        ablation_settings(config, "split", name) for name in ("critic", "naively", "no_warm_start")
    )
    assert own["critic"] == {}  # without effect, so that a change of it changes nothing
    assert critic == {
        **own,
        "baseline": "critic",
        "critic": {**config["training"]["critic"], "steps": 9},
    }
    assert naive == {
        **own,
        "credit": "naive",
        "beta": 0.0,
        "buffer": {**own["buffer"], "size": 4},
    }
    assert same == own


def test_every_credit_can_be_configured() -> None:
    from social_dilemmas.method.credit import CREDITS

    assert SCHEMA["$defs"]["algorithm"]["properties"]["credit"]["enum"] == list(CREDITS)
