"""Mistakes in the configuration are told in one sentence, before anything runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.workflow.edits import (
    GGUF,
    VARIED,
    Raw,
    api_player,
    learners,
    load,
    matrix_game,
    pairs,
    primer,
    put,
    remove,
    rival,
    served_at,
    typed,
    variants,
    varied,
)

from social_dilemmas.errors import UserError
from social_dilemmas.games.matrix_game import COORDINATION

SPLIT = ("games", 1)
LEARNERS = "games[prisoners_dilemma].exploitability.learners"
MISTAKES: list[tuple[Callable[[Raw], None], list[str]]] = [
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
    (
        put("models", 0, "num_layers", value=1),
        ["'num_layers' in models[embedded]", "'num_hidden_layers'"],
    ),
    (put("training", "buffer", "sise", value=1), ["'sise' in training.buffer", "'size'"]),
    # names of nothing
    (put(*SPLIT, "name", value="chess"), ["unknown game 'chess'", "trust_and_split"]),
    (put("algorithms", 0, "name", value="a-vs-b"), ["algorithms[a-vs-b].name must not hold -vs-"]),
    (put("algorithms", 0, "credit", value="greedy"), ["algorithms[naive].credit", "naive, sum_of"]),
    (put("models", 0, "kind", value="magic"), ["models[embedded].kind", "embedded, hub, gguf"]),
    (put("models", 0, value=GGUF), ["either models[tiny].package or source must be given"]),
    (put("models", 0, value={**GGUF, "sha256": "0"}), ["models[tiny].sha256 must be 64 digits"]),
    (
        put(*SPLIT, "evaluation", "opponents", value=["greedi"]),
        ["unknown player 'greedi' in games[split].evaluation.opponents", "'greedy'"],
    ),
    (put(*SPLIT, "warm_start", "population", value={"grim": 1}), ["unknown player 'grim'"]),
    (primer(population={"grim": 1}), ["unknown player 'grim' in games[split].warm_start.primer"]),
    (primer(population={}), ["games[split].warm_start.primer.population must not be empty"]),
    (primer(rounds=4), ["primer.rounds must be at most 3, as no match has more", "is 4"]),
    (primer(pace=1), ["unknown key 'pace' in games[split].warm_start.primer"]),
    (put(*SPLIT, "training_by_algorithm", value={"naif": {}}), ["unknown algorithm 'naif'"]),
    (put("training", "opponent", value={"player": "grim"}), ["unknown key 'opponent' in training"]),
    (
        put("tournament", "strategies", value=["all", "Tit for Tat"]),
        ["unknown strategy 'Tit for Tat' of the Axelrod library", "'Tit For Tat'"],
    ),
    (put("tournament", "matches", value=3), ["tournament.matches must be a multiple of 2"]),
    (
        put(*SPLIT, "evaluation", "opponents", value=[]),
        ["rivals.games: split has no evaluation.opponents"],
    ),
    # what is missing
    (remove("seeds"), ["the key seeds is missing"]),
    (remove(*SPLIT, "rounds"), ["the key games[split].rounds is missing"]),
    (remove(*SPLIT, "training", "discount"), ["games[split].training.discount is missing"]),
    (remove(*SPLIT, "warm_start", "steps"), ["games[split].warm_start.steps is missing"]),
    (remove(*SPLIT, "evaluation", "opponents"), ["games[split].evaluation.opponents is missing"]),
    (put("evaluation", "matches", value=3), ["evaluation.matches must be a multiple of 2"]),
    (remove("models", 0, "num_hidden_layers"), ["models[embedded].num_hidden_layers is missing"]),
    # empty, repeated
    (put("seeds", value=[]), ["seeds must not be empty"]),
    (put("games", value=[]), ["games must not be empty"]),
    (put(*SPLIT, "warm_start", "population", value={}), ["population must not be empty"]),
    (put("seeds", value=[1, 1]), ["seeds must not hold anything twice", "[1, 1]"]),
    (put("further_seeds", value=[5, 1]), ["further_seeds must not hold any of the seeds", "1"]),
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
    (
        put(*SPLIT, "rules", "kinds", value=3),
        ["split: the rule kinds must be a list, each text, but is 3"],
    ),
    (put(*SPLIT, "rules", "kinds", value=["hats", None]), ["split: the rule kinds must be a list"]),
    (put(*SPLIT, "rules", "unit_values", value=[1, "x"]), ["a list, each finite number, but is"]),
    (put(*SPLIT, "rules", "unit_values", value=[1, float("inf")]), ["must hold finite numbers"]),
    (put(*SPLIT, "rules", "value_draw", value=1), ["split: the rule value_draw must be a text"]),
    (put(*SPLIT, "rules", "quantity", value=10**12), ["the rule quantity must be at most 10000"]),
    (
        put("games", 2, "rules", "message_limit", value=10**12),
        ["the rule message_limit must be at most 10000"],
    ),
    (
        put("games", 0, "rules", "temptation", value=None),
        ["prisoners_dilemma: the rule temptation must be a finite number, but is None"],
    ),
    (
        put("games", 0, "warm_start", "population", "random", value=float("nan")),
        ["games[prisoners_dilemma].warm_start.population.random must be"],
    ),
    (api_player(extra={"stop": [float("nan")]}), ["extra must hold finite numbers only"]),
    (put("games", 0, "rules", "reward", value=9), ["prisoners_dilemma", "temptation > reward"]),
    (put(*SPLIT, "training", "group_size", value=1), ["group_size must be at least 2"]),
    (put(*SPLIT, "training", "group_size", value=7), ["must be a multiple of group_size", "7"]),
    (
        put(*SPLIT, "training", "world_size", value=5),
        ["world_size must be no more than matches", "5"],
    ),
    (put(*SPLIT, "training", "micro_batch_tokens", value=0), ["micro_batch_tokens", "at least 1"]),
    (
        put(*SPLIT, "training_by_algorithm", value={"naive": {"group_size": 7}}),
        ["must be a multiple of group_size", "7"],
    ),
    (
        put("models", 0, "num_attention_heads", value=3),
        ["hidden_size must be a multiple of twice num_attention_heads"],
    ),
    (
        put("models", 0, value={"name": "mine", "kind": "hub", "source": "somebody/mine"}),
        ["the key models[mine].shape is missing, and somebody/mine is no folder whose config.json"],
    ),
    (put("scale", value="My Scale"), ["scale must consist of lower-case letters"]),
    (put("training", value=None), ["training must be a mapping", "None"]),
    (put("training", "kl_estimator", value="k1"), ["must be one of forward, reverse", "'k1'"]),
    (put("seeds", value=[0, 1.0]), ["seeds[1] must be a whole number, but is 1.0"]),
    (
        put(*SPLIT, "training", "iterations", value=2.0),
        ["iterations must be a whole number", "2.0"],
    ),
    (put("training", "beta", value=float("nan")), ["training.beta must be", "nan"]),
    (put("training", "reward_scale", value=float("inf")), ["must be a finite number", "inf"]),
    (put("training", "lora_rank", value=True), ["lora_rank must be a whole number, but is True"]),
    (put("training", "micro_batch_tokens", value="many"), ["must be a whole number"]),
    # transcripts
    (
        put(*SPLIT, "transcripts", value={"pairs": [["naive", "greedi"]]}),
        ["unknown agent 'greedi' in games[split].transcripts.pairs", "'greedy'", "warm_start"],
    ),
    (
        put(*SPLIT, "transcripts", value={"pairs": [["naive"]]}),
        ["games[split].transcripts.pairs[0] must hold 2 entries"],
    ),
    (put(*SPLIT, "transcripts", value={"match": 3}), ["'match' in games[split].transcripts"]),
    (put("transcripts", "matches", value=0), ["transcripts.matches must be at least 1"]),
    # the baseline
    (put("training", "baseline", value="value"), ["training.baseline", "group, batch, critic"]),
    (put("training", "critic", "gae_lambda", value=2), ["critic.gae_lambda must be at most 1"]),
    (put("training", "critic", "step", value=2), ["'step' in training.critic", "'steps'"]),
    (
        put("games", 0, "training", "baseline", value="batch"),
        ["games[prisoners_dilemma].training.baseline batch", "group_size is 4, and matches is 4"],
    ),
    (
        put(*SPLIT, "training_by_algorithm", value={"naive": {"baseline": "batch", "matches": 2}}),
        ["games[split].training_by_algorithm.naive.baseline batch", "matches is 2"],
    ),
    # hands that slip
    (
        put(*SPLIT, "disturbances", value={"slip_round": 4}),
        ["games[split].disturbances.slip_round must be at most 3", "no match has more", "is 4"],
    ),
    (put("training", "tremble", value=1.0), ["training.tremble must be less than 1"]),
    (
        lambda config: config["training"].update(baseline="critic", tremble=0.1),
        ["my.yaml: training.tremble must be 0 with the baseline critic"],
    ),
    (
        variants({"name": "a", "training": {"baseline": "critic", "tremble": 0.1}}),
        ["ablations.variants[a].training.tremble must be 0 with the baseline critic", "is 0.1"],
    ),
    # what agents weren't trained on
    (varied({"name": "a", "rules": {"wording": "shops"}}), [f"{VARIED} must have no other words"]),
    (
        varied({"name": "a", "rules": {"reward": 9}}),
        [f"{VARIED}, a: prisoners_dilemma: rules must"],
    ),
    (
        varied({"name": "a", "kind": "split"}),
        [f"{VARIED} must be of matrix games", "a is of split"],
    ),
    (varied({"name": "a"}, {"name": "a"}), [f"{VARIED} has two entries with the name 'a'"]),
    (varied({"name": "as_trained"}), [f"{VARIED} has two entries with the name 'as_trained'"]),
    (varied({"name": "a", "rule": {}}), ["'rule' in games[prisoners_dilemma].generalisation"]),
    (
        put(*SPLIT, "generalisation", value={"variations": [{"name": "a", "rounds": 2}]}),
        ["games[split].generalisation.variations must be of matrix games", "is of split"],
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
        ["games[prisoners_dilemma].exploitability.training.baseline batch", "matches is 4"],
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
    (variants({"name": "fast_learner"}), ["ablations: 'fast_learner' already is", "tables use"]),
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
        ["ablations.variants[b].training.baseline batch", "group_size is 4, and matches is 4"],
    ),
    (
        variants({"name": "a", "training": {"group_size": 3}}),
        ["ablations.variants[a].training.matches must be a multiple of group_size"],
    ),
    (
        variants({"name": "a", "compared_with": "b"}, {"name": "b", "games": []}),
        ["unknown variant 'b' in the variant 'a' of the ablations, in split", "allowed: a"],
    ),
    (
        variants({"name": "a", "compared_with": "a"}),
        ["the variant 'a' of the ablations is compared_with itself"],
    ),
    # rivals
    (put("rivals", "algorithm", value="naif"), ["unknown algorithm 'naif' in rivals.algorithm"]),
    (
        put("rivals", "variants", value=[{"name": "critic"}]),
        ["rivals: 'critic' already is another variant's"],
    ),
    (
        rival({"pool": {"probability": 0.5, "scripted": ["grim"]}}),
        ["unknown player 'grim' in rivals.variants[a].training.pool.scripted", "greedy"],
    ),
    (
        rival({"baseline": "critic", "normalise": "group_std"}),
        ["rivals.variants[a].training.normalise group_std needs a baseline"],
    ),
    (rival({"preferences": {"envy": -1}}), ["training.preferences.envy must be at least 0"]),
    (
        put("rivals", "variants", value=[{"name": "a", "compared_with": "naive"}]),
        ["the variant 'a' of the rivals can't have compared_with"],
    ),
    # clones
    (put(*SPLIT, "clone", value={"player": "tit_for_tat"}), ["unknown player 'tit_for_tat' in"]),
    (put(*SPLIT, "clone", value={"step": 3}), ["'step' in games[split].clone", "'steps'"]),
    (
        put("algorithms", 1, "name", value="cloned_reciprocator"),
        ["algorithms: 'cloned_reciprocator' already is another agent's name"],
    ),
    (
        put("algorithms", 1, "name", value="fast_learner"),
        ["algorithms: 'fast_learner' already is another agent's name, or one that tables use"],
    ),
    # sweep over priors
    (
        lambda config: config["games"][0]["warm_start"].update(steps=0),
        ["prior_sweep.games: prisoners_dilemma has no warm start", "hence no prior to vary"],
    ),
    (put("prior_sweep", "games", value=["spilt"]), ["unknown game 'spilt' in prior_sweep.games"]),
    (put("prior_sweep", "players", value=["grimm"]), ["unknown player 'grimm' in prior_sweep"]),
    (put("prior_sweep", "algorithms", value=["naif"]), ["'naif' in prior_sweep.algorithms"]),
    (put("prior_sweep", "shares", value=[1.5]), ["prior_sweep.shares[0] must be at most 1"]),
    (
        put("prior_sweep", "players", value=["grim"]),
        [
            "prior_sweep.players must be a part of the population of prisoners_dilemma",
            "always_cooperate",
        ],
    ),
    # two learners
    (put("two_learners", "games", value=["spilt"]), ["unknown game 'spilt' in two_learners.games"]),
    (pairs(["naive", "naif"]), ["unknown algorithm 'naif' in two_learners.pairs"]),
    (pairs(["naive"]), ["two_learners.pairs[0] must hold 2 entries"]),
    (pairs(["naive", "naive"], ["naive", "naive"]), ["two_learners.pairs must not hold anything"]),
    (
        put("two_learners", "training", value={"group_size": 3}),
        ["two_learners.training.matches must be a multiple of group_size"],
    ),
    (
        put("two_learners", "training", value={"sampler": "vllm"}),
        ["two_learners.training.sampler must be trainer, but is vllm"],
    ),
    (put("tracker", value="mine"), ["tracker must be"]),
    # players behind a server
    (api_player(modle="m"), ["unknown key 'modle' in api_players[remote]", "'model'"]),
    (put("api_players", value=[{"name": "remote"}]), ["api_players[remote].model is missing"]),
    (api_player(name="greedy"), ["api_players: 'greedy' already is another agent's name"]),
    (api_player(name="naive"), ["'naive' already is another agent's name"]),
    (api_player(name="warm_start"), ["'warm_start' already is another agent's name"]),
    (api_player(name="everyone"), ["'everyone' already is another agent's name, or one that"]),
    (api_player({}, {}), ["api_players has two entries with the name 'remote'"]),
    (api_player(base_url="localhost:8000"), ["api_players[remote].base_url", "localhost:8000"]),
    (api_player(base_url="http://[::1"), ["api_players[remote].base_url must be an address"]),
    (api_player(base_url="http://a:99999"), ["api_players[remote].base_url must be an address"]),
    (api_player(base_url="http://host/v1\n"), ["base_url must hold no blanks or ends of lines"]),
    (
        api_player(base_url="http://host/v1/chat/completions"),
        ["api_players[remote].base_url must end before /chat/completions"],
    ),
    (api_player(base_url="http://me:secret@host/v1 "), ["must hold no user, password or query"]),
    (
        api_player(key_variable="sk-proj-1"),
        ["api_players[remote].key_variable must be the name of an environment variable or null"],
    ),
    (put("seeds", 0, value=2**63), ["seeds[0] must be less than"]),
    (put("seeds", 0, value="7"), ["seeds[0] must be a whole number", "leave the quotes out"]),
    (api_player(base_url="https://me:secret@host/v1"), ["base_url must hold no user, password"]),
    (api_player(base_url="https://host/v1?key=secret"), ["base_url must hold no user, password"]),
    (
        served_at("localhost:8000"),
        ["games[split].evaluation.vllm.base_urls must be an address", "but is 'localhost:8000'"],
    ),
    (
        lambda config: config["games"][1]["training"].update(sampler="vllm", lora_rank=600),
        ["games[split].training.lora_rank must be no more than 512 with sampler vllm, but is 600"],
    ),
    (served_at("http://me:secret@host"), ["vllm.base_urls must hold no user, password or query"]),
    (api_player(temperature="hot"), ["temperature must be a number or null", "'hot'"]),
    (api_player(key_variable=""), ["key_variable must be the name of an environment variable"]),
    (api_player(prompt_price=2), ["prompt_price and completion_price must both be given"]),
]


@pytest.mark.parametrize(("edit", "parts"), MISTAKES, ids=[parts[0] for _, parts in MISTAKES])
def test_a_mistake_is_reported_in_one_sentence(
    edit: Callable[[Raw], None], parts: list[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load("smoke")
    edit(config)
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as caught:
        typed(config, file)
    sentence = str(caught.value)
    assert sentence.startswith("my.yaml: ")
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
    assert "secret" not in sentence
