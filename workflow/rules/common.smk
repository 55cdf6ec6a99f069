# Names and functions that the rules use; no rules.

import sys
from itertools import product
from pathlib import Path

SCRIPTS = Path(workflow.basedir, "workflow", "scripts")
sys.path.insert(0, str(SCRIPTS))

from social_dilemmas.config import catalogue, paths
from social_dilemmas.config.load import load_config
from social_dilemmas.config.settings import (
    ablation_settings,
    completed,
    evaluation_settings,
    learner_settings,
    tournament_settings,
    training_settings,
    transcript_settings,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import kind_named, wordings
from social_dilemmas.agents.scripted.player import players_module
from social_dilemmas.report import catalogue as shown
from social_dilemmas.report.names import game_title, readable
from social_dilemmas.report.publishing.agents import hub_entry
from social_dilemmas.run.resources import Estimates
from social_dilemmas.run.fingerprint import combined, fingerprint
from social_dilemmas.run.slurm import check_cluster, request_of


def checked(config):
    """The configuration as types; a mistake in it ends Snakemake with one sentence."""
    *overriding, default = map(Path, workflow.configfiles)
    try:
        typed = load_config(config, [default, *overriding])
        Estimates(typed).check_gpus()
    except UserError as error:
        sys.exit(str(error))
    return typed


CONFIG = checked(config)
GAMES = catalogue.games(CONFIG)
MODELS = catalogue.models(CONFIG)
ALGORITHMS = catalogue.algorithms(CONFIG)
SEEDS = CONFIG.seeds
TRAININGS = list(catalogue.trainings(CONFIG))
FILES = catalogue.files(CONFIG)
ESTIMATES = Estimates(CONFIG)

# What `snakemake` makes, and what only `snakemake everything` adds.
TABLES, FURTHER_TABLES = catalogue.tables(CONFIG), catalogue.further_tables(CONFIG)
FIGURES, FURTHER_FIGURES = catalogue.figures(CONFIG), catalogue.further_figures(CONFIG)


pathvars:
    results=paths.results(CONFIG.scale),
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    game="|".join(GAMES),
    model="|".join(MODELS),
    algorithm="|".join(ALGORITHMS),
    seed=r"\d+",
    opponent="[a-z0-9_-]+",
    variant="|".join(variant.name for variant in CONFIG.ablations.variants) or "none",
    pair="[^/]+",


def made(kind):
    """All files of a kind; see `catalogue.files`."""
    return [f"<results>/{path}" for path in FILES[kind].values()]


def agents(further):
    """The trained agents of the main job, or those of the further experiments."""
    return [agent for agent in TRAININGS if agent.further == further]


def files_of_agents(name, further):
    """A file or a folder of every training."""
    return [f"<results>/{agent.folder}/{name}" for agent in agents(further)]


def origins_of_agents(further):
    """The name of every trained agent, and the hub's name of the model that it descends from, if any."""
    entries = {model: hub_entry(CONFIG, model) for model in MODELS}
    origins = {model: entry.source if entry else None for model, entry in entries.items()}
    return [(agent.name, origins[agent.model]) for agent in agents(further)]


def training_environment():
    """Jobs that train run where vLLM is, too, if it samples in any of them."""
    serving = any(run.settings.sampler == "vllm" for run in TRAININGS)
    return "../../envs/vllm.yaml" if serving else "../../envs/train.yaml"


def game_entry(wildcards):
    """How the game of a job is played."""
    return CONFIG.game(wildcards.game).entry


def model_entry(wildcards):
    """What building a model depends on: all that its entry says except the shape, which is for estimates."""
    entry = CONFIG.model(wildcards.model).plain()
    return {key: value for key, value in entry.items() if key != "shape"}


def plain(settings_of, *names):
    """The settings of a stage as a job's parameter, for the wildcards of these names."""
    return lambda wildcards: settings_of(CONFIG, *(wildcards[name] for name in names)).plain()


def fixture(of):
    """The inputs and parameters of a job in which pairs of agents play: adapters, agents, pairs."""
    return {
        "adapters": lambda wildcards: of(CONFIG, **wildcards).adapters,
        "agents": lambda wildcards: [agent.plain() for agent in of(CONFIG, **wildcards).agents],
        "pairs": lambda wildcards: of(CONFIG, **wildcards).pairs,
    }


def opponent_of(wildcards):
    """The opponent of a training that doesn't learn."""
    keys = ("game", "model", "opponent")
    return catalogue.agent_named(CONFIG, *(wildcards[key] for key in keys), int(wildcards.seed))


def start_of_variant(wildcards):
    """The model that a variant's training starts from."""
    return f"<results>/{catalogue.variant_start(CONFIG, wildcards.variant)}"


def agents_of_transcript(wildcards):
    """Both agents of a pair."""
    return catalogue.transcript_agents(CONFIG, wildcards.game, wildcards.model, wildcards.pair)


def transcript_files(suffix):
    """All transcripts: `json`, what was said; `html`, the pages that show it."""
    return [
        f"<results>/{paths.TRANSCRIPT.format(game=game, model=model, pair=pair)}.{suffix}"
        for game, model in product(GAMES, MODELS)
        for pair in catalogue.transcripts(CONFIG, game)
    ]


def transcript_labels(wildcards):
    """How the report lists a pair's transcripts."""
    first, second = (readable(agent.name) for agent in agents_of_transcript(wildcards))
    model = {"model": wildcards.model} if len(MODELS) > 1 else {}
    return {"agent": first, "opponent": second, **model}


def transcript_job(game):
    """How many matches are played for transcripts, and how replies are sampled; which pairs there are doesn't matter."""
    settings = transcript_settings(CONFIG, game).plain()
    return {key: value for key, value in settings.items() if key != "pairs"}


def inputs_of_table(name):
    """The files that a table is made from, by argument and key."""
    table = shown.TABLES[name]
    files = {argument: FILES[kind] for argument, kind in table.inputs.items()}
    if table.tables:
        made = [name for name in table.tables if name in TABLES + FURTHER_TABLES]
        files["tables"] = {name: f"tables/{name}.csv" for name in made}
    return files


def modules_of(games, agents=(), sampler="trainer"):
    """Files of the library that a job finds by name: its games, its kinds of agents, and its inference server."""
    kinds = [kind_named(game) for game in games]
    files = [f"games/{kind}.py" for kind in kinds] + ["agents/scripted/player.py"]
    files += [f"agents/scripted/{name}.py" for kind in kinds if (name := players_module(kind))]
    files += [f"agents/{agent.kind}/player.py" for agent in agents if not agent.on_model]
    files += ["agents/axelrod/strategies.txt"] if "agents/axelrod/player.py" in files else []
    if sampler == "vllm":
        files += ["backends/vllm/sampler.py", "backends/vllm/masks.py"]
    return sorted(set(files))


def code_of_game(script):
    """The fingerprint of a script that plays the game of its job."""
    return lambda wildcards: fingerprint(script, *modules_of([wildcards.game]))


def code_of_training(settings_of, *names, opponent=lambda wildcards: None):
    """The fingerprint of a training, with what its sampler and its opponent need."""

    def code(wildcards):
        agents = filter(None, [opponent(wildcards)])
        sampler = settings_of(CONFIG, *(wildcards[name] for name in names)).sampler
        return fingerprint("train.py", *modules_of([wildcards.game], agents, sampler))

    return code


def code_of_matches(of):
    """The fingerprint of a job in which pairs of agents play."""
    return lambda wildcards: fingerprint(
        "play_matches.py", *modules_of([wildcards.game], of(CONFIG, **wildcards).agents)
    )


def code_of_page(script, kind="html"):
    """The fingerprint of a script that fills in a template, and of all templates of its kind: `html` or `md`."""
    templates = sorted(Path(workflow.basedir, "workflow", "report").glob(f"*.{kind}.jinja"))
    texts = combined(path.read_text(encoding="utf-8") for path in templates)
    return f"{fingerprint(script, *modules_of(GAMES))}-{texts}"


def in_words(name):
    """The name of a figure or table as the report lists it."""
    return name.replace("_", " ").capitalize()


def category_of_table(table):
    """The report's category of a table; the report lists categories in alphabetical order."""
    return "Claims" if table in ("claims", "all_claims") else "Tables"


def estimated(kind, *names):
    """The estimate of a kind of job for the wildcards of these names."""
    return lambda wildcards: ESTIMATES.needs(kind, *(wildcards[name] for name in names))


def world_size(kind, *names):
    """The threads of a training: one for each of its processes."""
    return lambda wildcards: estimated(kind, *names)(wildcards).world_size


def needs(kind, *names):
    """The resources of a rule, by the estimate of its kind of job for the wildcards of these names.

    The first four are what is asked for, with room for error. Jobs announce and `make plan` adds up the others.
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


def priority(first):
    """Games with longer trainings first, so that the last jobs are short; `first` puts a whole stage before another."""

    def length(game):
        kinds = product(MODELS, ALGORITHMS)
        return sum(ESTIMATES.needs("training", game, *which).seconds for which in kinds)

    ranks = {game: rank for rank, game in enumerate(sorted(GAMES, key=length))}
    return lambda wildcards: first + ranks[wildcards.game]


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
    """The claims of a run that included them, and where to look next."""
    ran = {job.rule.name for job in workflow.dag.jobs}
    for table in ("all_claims", "claims"):
        if f"table_{table}" in ran:
            results = Path(paths.results(CONFIG.scale))
            print((results / "tables" / f"{table}.txt").read_text())
            print(f"Figures: {results}/figures   tables: {results}/tables   logs: {results}/logs")
            return
