# Names and functions that the rules use; no rules.

import hashlib
import sys
from itertools import product
from pathlib import Path

import yaml

SCRIPTS = Path(workflow.basedir, "workflow", "scripts")
sys.path.insert(0, str(SCRIPTS))

from social_dilemmas.run.code_hash import code_hash
from social_dilemmas.agents.agent import WARM_START
from social_dilemmas.config.check import check, fitted, with_defaults
from social_dilemmas.errors import UserError
from social_dilemmas.run.estimate.jobs import Estimates
from social_dilemmas.report import catalogue
from social_dilemmas.report.names import game_title, readable
from social_dilemmas.games import declare, game_of, kind_named, wordings
from social_dilemmas.config.settings import (
    ablated,
    ablation_settings,
    evaluation_settings,
    exploitability_settings,
    learner_settings,
    named,
    tournament_settings,
    training_settings,
    transcript_settings,
    warm_start_settings,
)
from social_dilemmas.agents.axelrod.names import TOURNAMENT_KIND, chosen_strategies
from social_dilemmas.agents.scripted.player import players_module
from social_dilemmas.run.slurm import check_cluster, request_of


def checked(config):
    """The configuration with its defaults; a mistake in it ends Snakemake with one sentence."""
    schema = yaml.safe_load(
        Path(workflow.basedir, "workflow/schemas/config.schema.yaml").read_text()
    )
    *overriding, default = map(Path, workflow.configfiles)
    config = fitted(with_defaults(config, schema), default)
    try:
        check(config, schema, [default, *overriding])
        Estimates(config).check_gpus()
    except UserError as error:
        sys.exit(str(error))
    return config


config = checked(config)
declare(config["games"])

GAMES = [game["name"] for game in config["games"]]
MODELS = [model["name"] for model in config["models"]]
ALGORITHMS = [algorithm["name"] for algorithm in config["algorithms"]]
SEEDS = config["seeds"]

STRATEGIES = chosen_strategies(config["tournament"]["strategies"])
TOURNAMENTS = [game for game in GAMES if STRATEGIES and kind_named(game) == TOURNAMENT_KIND]
LEARNER_GAMES = {  # games in which agents learn against opponents that don't, and these opponents
    game: {opponent for opponents in chosen.values() for opponent in opponents}
    for game in GAMES
    if (chosen := exploitability_settings(config, game)["learners"])
}
ABLATIONS = ablated(config)
VARIANTS = [variant["name"] for variant in config["ablations"]["variants"]]
ESTIMATES = Estimates(config)

# What `snakemake` makes, and what only `snakemake everything` adds.
TABLES = ["learning_curves", "cross_play", "fingerprints", "claims"]
FIGURES = ["learning_curves", "cross_play", "fingerprints", "invalid_replies"]
if "naive" in ALGORITHMS:
    FIGURES += ["naive_learning_curves"]
if "trust_and_split" in GAMES:
    FIGURES += ["proposals", "truthfulness"]
FURTHER_TABLES, FURTHER_FIGURES = [], []
if LEARNER_GAMES:
    FURTHER_TABLES += ["learning_against_fixed", "exploitability"]
    FURTHER_FIGURES += ["learning_against_fixed", "exploitability"]
if any("advantage_alignment" in opponents for opponents in LEARNER_GAMES.values()):
    FURTHER_FIGURES += ["learning_against_alignment"]
if ABLATIONS:
    FURTHER_TABLES += ["ablations"]
    FURTHER_FIGURES += ["ablations"]
if TOURNAMENTS:
    FURTHER_TABLES += ["tournament", "tournament_by_opponent"]
    FURTHER_FIGURES += ["tournament"]
FURTHER_TABLES += ["all_claims"]


pathvars:
    results=f"results/{config['scale']}",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    game="|".join(GAMES),
    model="|".join(MODELS),
    algorithm="|".join(ALGORITHMS),
    seed=r"\d+",
    opponent="[a-z0-9_-]+",
    variant="|".join(VARIANTS) or "none",


def training_environment():
    """Jobs that train run where vLLM is, too, if it draws the tokens in any of them."""
    learning = [(game, *run[:2]) for game in LEARNER_GAMES for run in learners(game)]
    settings = [
        *(training_settings(config, *run) for run in product(GAMES, ALGORITHMS)),
        *(learner_settings(config, *run) for run in learning),
        *(ablation_settings(config, *run) for run in ABLATIONS),
    ]
    serving = any(each["sampler"] == "vllm" for each in settings)
    return "../../envs/vllm.yaml" if serving else "../../envs/train.yaml"


def game_entry(game):
    """What a job needs to know of a game."""
    entry = named(config["games"], game)
    return {key: entry[key] for key in ("name", "kind", "rounds", "rules") if key in entry}


def model_entry(wildcards):
    """What building a model depends on: all that its entry says, but for the shape, which is for estimates."""
    entry = named(config["models"], wildcards.model)
    return {key: value for key, value in entry.items() if key != "shape"}


def modules_of(*games):
    """The library's modules that are found by the kind of a game."""
    kinds = [kind_named(game) for game in games]
    players = [players_module(kind) for kind in kinds]
    return [f"games/{kind}.py" for kind in kinds] + [
        f"agents/scripted/{name}.py" for name in players if name
    ]


def code_of_game(script):
    """The hash of a script that plays the game of its job."""
    return lambda wildcards: code_hash(script, *modules_of(wildcards.game))


def learners(game):
    """Algorithm, opponent and seed of every run against an opponent that doesn't learn."""
    pairs = exploitability_settings(config, game)["learners"].items()
    return [
        (algorithm, opponent, seed)
        for algorithm, opponents in pairs
        for opponent in opponents
        for seed in SEEDS
    ]


def fixed_opponent(game, model, opponent, seed):
    """How an opponent that doesn't learn plays; frozen agents are those of the learner's seed."""
    api_players = {entry["name"]: entry for entry in config["api_players"]}
    results = f"results/{config['scale']}"
    if opponent in ALGORITHMS:
        adapter = f"{results}/training/{game}/{model}/{opponent}/seed-{seed}/adapter"
        return {"name": opponent, "adapter": adapter}
    if opponent == WARM_START:
        return {"name": opponent, "adapter": None}
    if opponent in api_players:
        cache = f"{results}/api_players/{opponent}.sqlite"
        return {"name": opponent, "api_player": api_players[opponent], "cache": cache}
    return {"name": opponent}


def opponent_of(wildcards):
    """The opponent of a run."""
    return fixed_opponent(*(wildcards[key] for key in ("game", "model", "opponent", "seed")))


def adapter_of_opponent(wildcards):
    """The frozen opponent's adapter, if it has one."""
    return opponent_of(wildcards).get("adapter") or []


def variant_files(path):
    """A path with `{game}`, `{variant}` and `{model}`, for every variant of every model."""
    return [
        path.format(game=game, variant=variant, model=model)
        for game, variant in ABLATIONS
        for model in MODELS
    ]


def model_of_variant(wildcards):
    """The model that a variant's training starts from."""
    variant = named(config["ablations"]["variants"], wildcards.variant)
    if variant.get("start") == "base":
        return "<results>/base/{model}"
    return "<results>/warm_start/{game}/{model}/model"


def estimated(kind, *names):
    """The estimate of a kind of job for the wildcards of these names."""
    return lambda wildcards: ESTIMATES.needs(kind, *(wildcards[name] for name in names))


def processes(kind, *names):
    """The threads of a training: one for each of its processes."""
    return lambda wildcards: estimated(kind, *names)(wildcards).processes


def needs(kind, *names):
    """The resources of a rule, by the estimate of its kind of job for the wildcards of these names.

    `mem_mb`, `runtime`, `gpu` and `disk_mb` are what is asked for, with room for error; what a job says of itself
    and what `make plan` adds up are the estimates themselves.
    """

    estimate = estimated(kind, *names)
    return {
        "mem_mb": lambda wildcards, attempt: estimate(wildcards).memory_asked_for(attempt),
        "runtime": lambda wildcards: estimate(wildcards).minutes_asked_for(),
        "gpu": lambda wildcards: estimate(wildcards).gpus,
        "disk_mb": lambda wildcards: round(estimate(wildcards).disk_mb + 0.5),
        "estimated_mb": lambda wildcards: round(estimate(wildcards).memory_mb),
        "estimated_seconds": lambda wildcards: round(estimate(wildcards).seconds),
        "estimated_gpu_mb": lambda wildcards: round(estimate(wildcards).gpu_memory_mb),
    }


def length(game):
    """Grows with the time that trainings in this game take."""
    trainings = product(MODELS, ALGORITHMS)
    return sum(ESTIMATES.needs("training", game, *which).seconds for which in trainings)


def priority(first):
    """Longer jobs first, so that the last jobs are short; `first` puts a whole stage before another."""
    ranks = {game: rank for rank, game in enumerate(sorted(GAMES, key=length))}
    return lambda wildcards: first + ranks[wildcards.game]


def code_of_page(script):
    """The hash of a script that fills in a template, and of all templates."""
    templates = sorted(Path(workflow.basedir, "workflow", "report").glob("*.jinja"))
    texts = "".join(path.read_text(encoding="utf-8") for path in templates)
    return f"{code_hash(script, *modules_of(*GAMES))}-{hashlib.sha256(texts.encode()).hexdigest()[:16]}"


def in_words(name):
    """The name of a figure or table as the report lists it."""
    return name.replace("_", " ").capitalize()


def inputs_of_table(table):
    """The files that a table is made from, by argument and key."""
    files = {argument: FILES[kind] for argument, kind in table.inputs.items()}
    if table.tables:
        made = [name for name in table.tables if name in TABLES + FURTHER_TABLES]
        files["tables"] = {name: f"<results>/tables/{name}.csv" for name in made}
    return files


def category_of_table(table):
    """The report's category of a table; the report lists categories in alphabetical order."""
    return "Claims" if table in ("claims", "all_claims") else "Tables"


def pairings(game):
    """The pairs of agents whose transcripts are wanted, by the names of their files."""
    pairs = transcript_settings(config, game)["pairings"]
    return {f"{first}-vs-{second}": (first, second) for first, second in pairs}


def transcript_agents(wildcards):
    """Name, seed and adapter of both agents of a pair; a trained one has the first of the seeds."""
    folder = f"results/{config['scale']}/training/{wildcards.game}/{wildcards.model}"
    trained = {name: f"{folder}/{name}/seed-{SEEDS[0]}/adapter" for name in ALGORITHMS}
    return [
        (name, SEEDS[0] if name in trained else None, trained.get(name))
        for name in pairings(wildcards.game)[wildcards.pairing]
    ]


def transcript_job(game):
    """How many matches are played for transcripts, and how replies are sampled."""
    settings = transcript_settings(config, game)
    return {key: value for key, value in settings.items() if key != "pairings"}


def transcript_labels(wildcards):
    """How the report lists a pair's transcripts."""
    first, second = map(readable, pairings(wildcards.game)[wildcards.pairing])
    model = {"model": wildcards.model} if len(MODELS) > 1 else {}
    return {"agent": first, "opponent": second, **model}


def transcript_files(suffix):
    """All transcripts: `json`, what was said; `html`, the pages that show it."""
    return [
        f"results/{config['scale']}/transcripts/{game}/{model}/{pairing}.{suffix}"
        for game, model in product(GAMES, MODELS)
        for pairing in pairings(game)
    ]


def check_submission(workflow):
    """Before jobs go to SLURM: what the cluster can't do ends Snakemake with one sentence."""
    if workflow.executor_plugin.name != "slurm":
        return
    submitted = {
        workflow.dag.get_job_group(job) or job
        for job in workflow.dag.needrun_jobs()
        if not job.is_local
    }
    try:
        check_cluster(
            [request_of(job.name, job.threads, job.resources) for job in submitted],
            Path(workflow.workdir_init),
            longest=workflow.global_resources.get("runtime").value or sys.maxsize,
            array_rules=workflow.executor_settings.array_jobs,
            jobs=workflow.nodes,
        )
    except UserError as error:
        sys.exit(str(error))


def closing_words(workflow):
    """What the claims of a run that included them came to, and where to look next."""
    ran = {job.rule.name for job in workflow.dag.jobs}
    for table in ("all_claims", "claims"):
        if f"table_{table}" in ran:
            results = Path("results", config["scale"])
            print((results / "tables" / f"{table}.txt").read_text())
            print(f"Figures: {results}/figures   tables: {results}/tables   logs: {results}/logs")
            return
