"""What a configuration asks for, without Snakemake; and the report's catalogue names things that exist."""

import inspect
from collections import Counter
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from social_dilemmas.agents.agent import UNSEEDED, Agent, Kind
from social_dilemmas.config import contents, outputs, pairings, paths, settings, trainings
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Tournament
from social_dilemmas.config.schema.experiments import (
    Ablations,
    PriorSweep,
    Rivals,
    TwoLearners,
    Variant,
)
from social_dilemmas.config.schema.game import Exploitability
from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.report import printed, shown
from social_dilemmas.report.catalogue import FIGURES, FIRST, TABLES
from social_dilemmas.report.pages.page import TEMPLATES

LIBRARY = Path(printed.__file__).parents[1]
SMOKE = load_scale("smoke")
NO_LEARNERS = [
    game.model_copy(update={"exploitability": Exploitability()})
    for game in SMOKE.games
    if game.name != "trust_and_split"
]


NO_DILEMMA = (
    "ablations prior_sweep tournament learning_against_alignment generalisation prior_audit"
)
NO_SWEEPS: dict[str, Any] = {"ablations": Ablations(), "prior_sweep": PriorSweep()}


def changed(**update: Any) -> Config:
    return SMOKE.model_copy(update=update)


def test_trainings() -> None:
    found = list(trainings.trainings(SMOKE))
    stages = {"training": 3 * 3 * 3, "exploitability": 3 * 2, "ablations": 2 * 2, "rivals": 2 * 2}
    assert Counter(each.stage for each in found) == stages
    assert len({each.folder for each in found}) == len(found)
    main = [each for each in found if not each.further]
    assert Counter(each.seed for each in main) == dict.fromkeys(SMOKE.seeds, 3 * 3)
    assert {each.seed for each in found if each.stage != "training"} == {*SMOKE.seeds}
    learner = next(each for each in found if each.opponent == "greedy")
    assert learner.name == "advantage_alignment_learner"
    assert learner.base.as_posix() == "warm_start/trust_and_split/embedded/model"
    assert learner.folder.as_posix() == (
        "exploitability/trust_and_split/embedded/advantage_alignment/against-greedy/seed-0"
    )
    assert {each.base.as_posix() for each in found if each.name == "no_warm_start"} == {
        "base/embedded"
    }


def test_a_scale_may_have_further_experiments_in_its_main_job() -> None:
    """They move there with their tables, figures and agents, and nothing is made twice or lost."""
    config = changed(main_experiments=["exploitability"])
    moved = {"learning_against_fixed", "exploitability", "learning_against_alignment"}
    for main, further in (
        (shown.tables, shown.further_tables),
        (shown.figures, shown.further_figures),
    ):
        assert {*main(config)} - {*main(SMOKE)} == {*further(SMOKE)} & moved
        assert {*further(config)} == {*further(SMOKE)} - moved
        assert main(config).count("exploitability") == 1
    assert shown.tables(config)[-1] == "claims"
    generalising = changed(main_experiments=["generalisation"])
    disturbed = [pairings.disturbances(each, "split", "embedded") for each in (SMOKE, generalising)]
    assert disturbed[0].agents == disturbed[1].agents  # they aren't in the main job
    learners = [each for each in trainings.trainings(config) if each.stage == "exploitability"]
    assert learners
    assert not any(each.further for each in learners)


def test_files_of_tables_are_those_that_trainings_and_matches_write() -> None:
    files = outputs.files(SMOKE)
    stages = {"all_training_metrics": "training", "learner_metrics": "exploitability"}
    for kind, stage in stages.items():
        written = [each for each in trainings.trainings(SMOKE) if each.stage == stage]
        assert {f"{each.folder.as_posix()}/metrics.csv" for each in written} == {
            *files[kind].values()
        }
    assert files["variant_matches"]["split", "embedded", "critic", "advantage_alignment"] == (
        "ablations/split/embedded/critic/matches.parquet"
    )
    assert files["rival_matches"]["split", "embedded", "mixed_pool"] == (
        "rivals/split/embedded/mixed_pool/matches.parquet"
    )
    assert files["prior_matches"]["prisoners_dilemma", "embedded", "0.6"] == (
        "prior_sweep/prisoners_dilemma/embedded/share-0.6/matches.parquet"
    )
    assert files["pair_metrics"] == {
        ("split", "embedded", "advantage_alignment", "naive", seed): (
            f"two_learners/split/embedded/advantage_alignment-vs-naive/seed-{seed}/metrics.csv"
        )
        for seed in (0, 1)
    }
    assert files["strategy_kinds"] == {
        "prisoners_dilemma": "tournament/prisoners_dilemma/kinds.csv"
    }
    assert {kind for table in TABLES.values() for kind in table.inputs.values()} == files.keys()
    assert files["first_metrics"].items() < files["training_metrics"].items()
    assert [*files["first_metrics"]] == [
        ("prisoners_dilemma", "embedded", algorithm, seed)
        for algorithm in ("naive", "advantage_alignment")
        for seed in SMOKE.seeds
    ]


def test_further_games_have_the_model_and_the_settings_of_the_pretrained_dilemma() -> None:
    """Matrix games all settings; the others those that aren't their own."""
    dilemma, further = load_scale("pretrained"), load_scale("pretrained_games")
    assert further.models == dilemma.models
    found = {
        game.name: settings.training_settings(further, game.name, "advantage_alignment").plain()
        for game in further.games
    }
    own = settings.training_settings(dilemma, "prisoners_dilemma", "advantage_alignment").plain()
    differing = {
        name: {key for key in own if each[key] != own[key]} for name, each in found.items()
    }
    of_split = {"matches", "iterations", "reward_scale", "beta", "buffer", "micro_batch_tokens"}
    assert differing == {
        **{"stag_hunt": set(), "chicken": set(), "split": of_split},
        "trust_and_split": of_split | {"discount", "max_new_tokens"},
    }


def test_a_prior_is_audited_once_for_games_that_differ_by_names_only() -> None:
    config = load_scale("pretrained")
    assert contents.audited_games(config) == ["prisoners_dilemma"]
    tellings = contents.tellings(config, "prisoners_dilemma", "smollm2_135m")
    assert len({str(each) for each in tellings}) == 4
    assert contents.published_models(config) == ["smollm2_135m"]
    embedded = contents.tellings(SMOKE, "prisoners_dilemma", "embedded")
    assert [each["order"] for each in embedded] == [["A", "B"]] * 2


@pytest.mark.parametrize(
    ("config", "without"),
    [
        (SMOKE, ""),
        (
            changed(further_seeds=[]),
            "all_learning_curves all_cross_play all_fingerprints all_distributions",
        ),
        (changed(ablations=Ablations()), "ablations"),
        (changed(rivals=Rivals()), "rivals"),
        (changed(prior_sweep=PriorSweep()), "prior_sweep"),
        (changed(prior_sweep=PriorSweep(games=["split"], shares=[])), "prior_sweep"),
        (changed(tournament=Tournament(strategies=[])), "tournament"),
        (changed(two_learners=TwoLearners(games=["split"])), "two_learners"),
        (changed(games=SMOKE.games[1:], **NO_SWEEPS), NO_DILEMMA),
        (
            changed(games=NO_LEARNERS),
            "exploitability learning_against proposals truthfulness messages",
        ),
        (changed(algorithms=SMOKE.algorithms[1:]), "naive learning_against_alignment"),
    ],
    ids=[
        *("all", "seeds", "ablations", "rivals", "priors", "shares", "strategies", "pairs"),
        *("dilemma", "learners-and-trust", "naive"),
    ],
)
def test_only_tables_and_figures_of_what_is_asked_for(config: Config, without: str) -> None:
    made = (
        (TABLES, shown.tables(config) + shown.further_tables(config)),
        (FIGURES, shown.figures(config) + shown.further_figures(config)),
    )
    for known, names in made:
        left_out = (*without.split(), "perplexity")  # which needs a model that knows English
        missing = {name for name in known if name.startswith(left_out)}
        assert set(names) == known.keys() - missing - {FIRST}
        assert len(names) == len(set(names))
    asked_for = "tournament" not in without.split()
    files = outputs.files(config)
    assert bool(files["tournament_matches"]) == bool(files["strategy_matches"]) == asked_for


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        (
            "naive",
            Agent(
                "naive",
                seed=1,
                adapter="results/smoke/training/split/embedded/naive/seed-1/adapter",
            ),
        ),
        ("warm_start", Agent("warm_start")),
        ("greedy", Agent("greedy", Kind.SCRIPTED)),
        (
            "gpt",
            Agent(
                "gpt",
                Kind.API,
                api=ApiPlayer(name="gpt", model="gpt-5").model_dump_json(),
                cache="results/smoke/api_players/gpt.sqlite",
            ),
        ),
    ],
)
def test_the_agent_of_a_name(name: str, agent: Agent) -> None:
    config = changed(api_players=[ApiPlayer(name="gpt", model="gpt-5")])
    assert pairings.agent_named(config, "split", "embedded", name, seed=1) == agent
    assert Agent.of(agent.plain()) == agent


def test_who_plays_whom() -> None:
    place = (SMOKE, "prisoners_dilemma", "embedded")
    cross_play = pairings.cross_play(*place)
    assert len(cross_play.agents) == 1 + 3 * 2 + 1 + 2
    assert len(cross_play.pairs) == 10 * 11 / 2
    assert len(cross_play.adapters) == 3 * 2 + 1
    learners = pairings.learner_matches(*place)
    assert [tuple(learners.agents[i].name for i in pair) for pair in learners.pairs] == [
        *[("naive_learner", "warm_start")] * 2,
        *[("naive_learner", "advantage_alignment")] * 2,
    ]
    assert [agent.seed for agent in learners.agents[4:]] == [0, 0, 1, 1]
    tournament = pairings.tournament(*place)
    assert len(tournament.pairs) == 7 * 4 + 7 * 6 / 2 - 3  # an algorithm's seeds don't meet
    assert {agent.kind for agent in tournament.agents} == {Kind.MODEL, Kind.AXELROD}
    disturbed = pairings.disturbances(*place)
    assert disturbed.pairs == [(i, i) for i in range(12)]  # nobody there is reciprocal
    assert disturbed.times == 3
    shaken = Variant.model_validate({"name": "shaky", "training": {"tremble": 0.05}})
    trembling = changed(ablations=Ablations(games=["split"], variants=[shaken]))
    shaky = pairings.disturbances(trembling, "split", "embedded")
    assert [agent.name for agent in shaky.agents if agent.adapter][-2:] == ["shaky", "shaky"]
    assert shaky.times == 3
    assert pairings.disturbances(SMOKE, "trust_and_split", "embedded").times == 5
    varied = pairings.generalisation(*place, "stag_hunt")
    assert [agent.name for agent in varied.agents[-2:]] == ["first_action", "second_action"]
    assert varied.pairs == [(i, j) for i in range(10) for j in (i, 10, 11)]
    variant = pairings.variant_matches(SMOKE, "split", "embedded", "critic", "ablations")
    assert variant.pairs == [(0, 0), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    prior = pairings.prior_matches(*place, "0.6")
    names = [
        "warm_start",
        *["naive"] * 2,
        *["advantage_alignment"] * 2,
        "always_cooperate",
        "always_defect",
    ]
    assert [agent.name for agent in prior.agents] == names
    assert len(prior.pairs) == 5 * 3
    assert prior.agents[1].adapter == (
        "results/smoke/prior_sweep/prisoners_dilemma/embedded/share-0.6/naive/seed-0/adapter"
    )
    pair = pairings.transcript_agents(*place, "naive-vs-always_defect")
    assert [(agent.name, agent.seed) for agent in pair] == [("naive", 0), ("always_defect", -1)]


def test_in_cross_play_every_agent_meets_every_other_and_itself_once() -> None:
    found = pairings.cross_play(SMOKE, "prisoners_dilemma", "embedded")
    agents = {(agent.name, agent.seed) for agent in found.agents}
    trained = product((each.name for each in SMOKE.algorithms), SMOKE.seeds)
    others = ("warm_start", *settings.evaluation_settings(SMOKE, "prisoners_dilemma").opponents)
    others = ("cloned_tit_for_tat", *others)
    assert agents == {*trained, *((name, UNSEEDED) for name in others)}
    assert len({frozenset(pair) for pair in found.pairs}) == len(found.pairs) == 55


def test_further_seeds_meet_each_other() -> None:
    found = pairings.further_cross_play(SMOKE, "split", "embedded")
    assert {agent.seed for agent in found.agents} == {UNSEEDED, *SMOKE.further_seeds}
    files = outputs.files(SMOKE)
    assert files["cross_play_matches"].items() < files["all_cross_play_matches"].items()
    assert files["training_metrics"].items() < files["all_training_metrics"].items()


def test_learners_meet_the_opponents_that_they_learned_against() -> None:
    found = pairings.learner_matches(SMOKE, "prisoners_dilemma", "embedded")
    learner, opponent = (found.agents[index].adapter for index in found.pairs[-1])
    assert learner == (
        "results/smoke/exploitability/prisoners_dilemma/embedded/naive"
        "/against-advantage_alignment/seed-1/adapter"
    )
    assert opponent == (
        "results/smoke/training/prisoners_dilemma/embedded/advantage_alignment/seed-1/adapter"
    )
    found = pairings.learner_matches(SMOKE, "trust_and_split", "embedded")
    assert [found.agents[index].kind for index in found.pairs[-1]] == [
        Kind.MODEL,
        Kind.SCRIPTED,
    ]


def test_no_two_kinds_of_results_share_a_place() -> None:
    names = ["game", "model", "algorithm", "opponent", "section", "variant", "share", "pair"]
    names += ["name", "seed", "first", "second", "variation"]
    patterns = [value for name, value in vars(paths).items() if name.isupper()]
    filled = [pattern.format(**{name: name for name in names}) for pattern in patterns]
    assert len(set(filled)) == len(patterns) == 23
    assert paths.results("smoke") == "results/smoke"


def has_caption(kind: str, name: str) -> bool:
    """Whether a table or figure has a caption: its own, or as the first steps or with all seeds the main job's."""
    names = (name, name.removeprefix("all_").removeprefix("first_"))
    return any((TEMPLATES / f"{kind}_{each}.rst").is_file() for each in names)


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    table = TABLES[name]
    wanted = {*table.inputs, *(["tables", "criteria"] if table.tables else [])}
    assert (
        wanted
        == inspect.signature(resolve_name(f"social_dilemmas.{table.function}")).parameters.keys()
    )
    assert TABLES.keys() >= set(table.tables)
    assert table.text is None or resolve_name(f"social_dilemmas.{table.text}")
    assert callable(getattr(printed, table.printer))
    assert all((LIBRARY / file).is_file() for file in table.modules)
    assert has_caption("table", name)


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str) -> None:
    figure = FIGURES[name]
    module = import_module(f"social_dilemmas.report.figures.{figure.module}")
    parameters = list(inspect.signature(module.table).parameters)
    assert TABLES.keys() >= set(figure.tables)
    assert set(figure.arguments) <= set(parameters[len(figure.tables) :])
    assert callable(module.draw)
    assert has_caption("fig", name)
