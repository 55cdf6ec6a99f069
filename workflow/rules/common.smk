# Names and functions that the rules use; no rules.

import sys
from itertools import product
from pathlib import Path

import yaml
from snakemake.settings.types import DeploymentMethod

# The project's folder, wherever the Snakefile is that was called.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from social_dilemmas.agents.agent import adapters_of
from social_dilemmas.agents.api.key import check_keys
from social_dilemmas.agents.modules import modules_of
from social_dilemmas.backends.vllm.interpreter import check_vllm
from social_dilemmas.config import contents, pairings, outputs, paths, trainings
from social_dilemmas.config.load import load_config
from social_dilemmas.config.settings import (
    clone_settings,
    completed,
    merge,
    pair_settings,
    prior_settings,
    settings_differ,
    transcript_settings,
    variation_entry,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import kind_of, wordings
from social_dilemmas.report import catalogue, shown
from social_dilemmas.report.names import game_title, readable, settings_note
from social_dilemmas.report.publishing.agents import origin_of
from social_dilemmas.run.agenda import AGENDA, write_agenda
from social_dilemmas.run.environment import clean_environment
from social_dilemmas.run.fingerprint import combined, fingerprint
from social_dilemmas.run.resources import Estimates
from social_dilemmas.run.slurm import check_submission
from social_dilemmas.run.tracking import check_tracker
from social_dilemmas.statistics.criteria import read_criteria, warn_of_misspelt

clean_environment(ROOT / "workflow" / "foreign_variables.txt")  # jobs inherit it

try:
    default = (ROOT / "config" / "config.yaml").resolve()
    overriding = [Path(file) for file in workflow.configfiles if Path(file).resolve() != default]
    imported = len(overriding) == len(workflow.configfiles)  # as a module, with a config of its own
    if imported:
        given = yaml.safe_load(default.read_text(encoding="utf-8"))
        config.update(merge(given, config))
        overriding = []  # what they say need not be this workflow's
    given = {key: value for key, value in config.items() if key != "pathvars"}  # Snakemake's own
    CONFIG = load_config(given, [default, *overriding])
    ESTIMATES = Estimates(CONFIG)
    ESTIMATES.check_gpus()
    # From where Snakemake was called, or from the project's folder.
    CLAIMS = Path(CONFIG.claims)
    if not CLAIMS.is_file():
        CLAIMS = ROOT / CONFIG.claims
    if imported:  # a module's prefix is put before relative paths
        CLAIMS = CLAIMS.absolute()
    warn_of_misspelt(CLAIMS, read_criteria(CLAIMS), contents.agents(CONFIG))
    USES_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if not USES_CONDA:
        check_tracker(CONFIG.tracker)  # else it is in the environment of trainings
except UserError as error:
    sys.exit(str(error))

GAMES = contents.games(CONFIG)
TITLES = {
    game: game_title(game) for game in GAMES
}  # jobs that show them are run again if they change
DIFFERING = [game for game in GAMES if settings_differ(CONFIG, game)]
MODELS = contents.models(CONFIG)
ALGORITHMS = contents.algorithms(CONFIG)
AGENTS = list(trainings.trainings(CONFIG))
FILES = outputs.files(CONFIG)
TRANSCRIPTS = outputs.transcript_paths(CONFIG)

# Tables, figures, pages and cards take seconds each: on a cluster all that can be made together are one job.
SMALL_JOBS = "report" if workflow.nodes is not None else None

# What `snakemake` makes, and what only `snakemake everything` adds.
TABLES, FURTHER_TABLES = shown.tables(CONFIG), shown.further_tables(CONFIG)
FIGURES, FURTHER_FIGURES = shown.figures(CONFIG), shown.further_figures(CONFIG)


pathvars:
    results=paths.results(CONFIG.scale),
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    game="|".join(GAMES),
    model="|".join(MODELS),
    algorithm="|".join(ALGORITHMS),
    first="|".join(ALGORITHMS),
    second="|".join(ALGORITHMS),
    seed=r"\d+",
    opponent="[a-z0-9_-]+",
    section="ablations|rivals",
    variant="[a-z0-9_-]+",
    share=r"[\d.]+",
    pair="[^/]+",
    variation="[a-z0-9_-]+",


def made(kind):
    """All files of a kind; see `outputs.files`."""
    return [f"<results>/{path}" for path in FILES[kind].values()]


def environment_of_base(wildcards, params):
    """The conda environment that reads a base model; files of the format GGUF may lie in packages."""
    packaged = params.model["kind"] == "gguf"
    return "../../envs/pretrained.yaml" if packaged else "../../envs/train.yaml"


def environment_of_sampler(wildcards, params):
    """The conda environment of a training or of matches: where vLLM is if it draws the tokens."""
    served = params.settings["sampler"] == "vllm"
    return "../../envs/vllm.yaml" if served else "../../envs/train.yaml"


def start_of_variant(wildcards):
    """The model that a variant's training starts from."""
    return f"<results>/{trainings.variant_start(CONFIG, wildcards.variant, wildcards.section)}"


def agents(further):
    """The trained agents of the main job, or those of the further experiments."""
    return [agent for agent in AGENTS if agent.further == further]


def files_of_agents(name, further):
    """A file or a folder of every training."""
    return [f"<results>/{agent.folder}/{name}" for agent in agents(further)]


def games_told_to(wildcards):
    """The games that a base model is built from; a published one doesn't depend on any."""
    return CONFIG.games if CONFIG.model(wildcards.model).kind == "embedded" else []


def game_entry(wildcards):
    """How the game of a job is played, under the job's variation if it has one."""
    if "variation" in wildcards.keys():
        return variation_entry(CONFIG, wildcards.game, wildcards.variation)
    return CONFIG.game(wildcards.game).entry


def names_of(wildcards):
    """What tells apart jobs of a kind that have other settings or needs."""
    keys = ("game", "model", "algorithm", "opponent", "variant", "section", "share", "variation")
    return [wildcards[key] for key in keys if key in wildcards.keys()]


def opponent_of(wildcards):
    """The only opponent of a training, one that doesn't learn; None in self-play."""
    if "opponent" not in wildcards.keys():
        return None
    place = (wildcards.game, wildcards.model, wildcards.opponent)
    return pairings.agent_named(CONFIG, *place, int(wildcards.seed))


def parameters_of_training(kind):
    """The parameters of a training; its code includes that of its sampler and its opponent."""

    def settings(wildcards):
        game, _, *names = names_of(wildcards)
        return trainings.SETTINGS[kind](CONFIG, game, *names)

    def opponent(wildcards):
        agent = opponent_of(wildcards)
        return agent.plain() if agent else None

    def code(wildcards):
        chosen = settings(wildcards)
        found = filter(None, [opponent_of(wildcards)])
        return fingerprint("train.py", *modules_of([wildcards.game], found, chosen.sampler))

    return {
        "game": game_entry,
        "settings": lambda wildcards: settings(wildcards).plain(),
        "opponent": opponent,
        "code": code,
    }


def settings_of_pair(wildcards):
    """The settings of both learners."""
    pair = (wildcards.first, wildcards.second)
    return [each.plain() for each in pair_settings(CONFIG, wildcards.game, pair)]


def placed(adapters):
    """Adapters where the rules write them; a module's prefix, a storage or other `pathvars` may move these."""
    results = paths.results(CONFIG.scale)
    return [f"<results>/{Path(adapter).relative_to(results)}" for adapter in adapters]


def adapters_of_matches(kind):
    """The adapters of all agents that play."""
    return lambda wildcards: placed(pairings.MATCHES[kind][0](CONFIG, **wildcards).adapters)


def parameters_of_matches(kind, script="play_matches.py"):
    """The parameters of a job in which pairs of agents play, by this script."""
    pairings_of, settings_of = pairings.MATCHES[kind]

    def code(wildcards):
        found = pairings_of(CONFIG, **wildcards).agents
        sampler = settings_of(CONFIG, wildcards.game).sampler
        return fingerprint(script, *modules_of([kind_of(game_entry(wildcards))], found, sampler))

    return {
        "game": game_entry,
        "agents": lambda wildcards: [
            agent.plain() for agent in pairings_of(CONFIG, **wildcards).agents
        ],
        "pairs": lambda wildcards: pairings_of(CONFIG, **wildcards).pairs,
        "settings": lambda wildcards: settings_of(CONFIG, wildcards.game).plain(),
        "code": code,
    }


def code_of_game(script):
    """The fingerprint of a script that plays the game of its job."""
    return lambda wildcards: fingerprint(script, *modules_of([wildcards.game]))


def code_of_page(script, kind="html"):
    """The fingerprint of a script that fills in a template, and of all templates of its kind: `html` or `md`."""
    templates = sorted((ROOT / "workflow" / "report").glob(f"*.{kind}.jinja"))
    texts = combined(path.read_text(encoding="utf-8") for path in templates)
    return f"{fingerprint(script, *modules_of(GAMES))}-{texts}"


def agents_of_transcript(wildcards):
    """Both agents of a pair."""
    return pairings.transcript_agents(CONFIG, wildcards.game, wildcards.model, wildcards.pair)


def code_of_transcript(wildcards):
    """The fingerprint of what plays a pair, that of its sampler included."""
    sampler = transcript_settings(CONFIG, wildcards.game).sampler
    return fingerprint("play_transcripts.py", *modules_of([wildcards.game], sampler=sampler))


def labels_of_transcript(wildcards):
    """How the report lists a pair's transcripts."""
    first, second = (readable(agent.name) for agent in agents_of_transcript(wildcards))
    model = {"model": wildcards.model} if len(MODELS) > 1 else {}
    return {"agent": first, "opponent": second, **model}


def inputs_of_table(name):
    """The files that a table is made from, by argument and key."""
    table = catalogue.TABLES[name]
    files = {argument: FILES[kind] for argument, kind in table.inputs.items()}
    if table.tables:
        known = TABLES if name in TABLES else TABLES + FURTHER_TABLES
        there = [table for table in table.tables if table in known]
        files["tables"] = {table: f"tables/{table}.csv" for table in there}
    results = {
        argument: {key: f"<results>/{path}" for key, path in found.items()}
        for argument, found in files.items()
    }
    return {**results, "criteria": {"claims": local(str(CLAIMS))}} if table.tables else results


def caption(name):
    """The file of a caption; what shows all seeds or the first steps may share that of what shows the main job's."""
    folder = ROOT / "workflow" / "report"
    own = (folder / f"{name}.rst").exists()
    return f"../report/{name if own else name.replace('_all_', '_').replace('_first_', '_')}.rst"


def in_words(name):
    """The name of a figure or table as the report lists it."""
    return name.replace("_", " ").capitalize()


def category_of_table(table):
    """The report's category of a table; the report lists categories in alphabetical order."""
    return "Claims" if table in ("claims", "all_claims") else "Tables"


def estimate(kind, wildcards):
    """The estimate of a job of this kind."""
    return ESTIMATES.needs(kind, *names_of(wildcards))


def needs(kind):
    """The resources of a rule, by the estimate of its kind of job.

    The first four are what is asked for, with room for error. Jobs announce and `make plan` adds up the others.
    Clusters run small jobs in groups, and count those that run at a time.
    """
    small = {"small_jobs": 1} if kind in ("table", "figure") else {}
    return {
        **small,
        "mem_mb": lambda wildcards, attempt: estimate(kind, wildcards).memory_asked_for(attempt),
        "runtime": lambda wildcards: estimate(kind, wildcards).minutes_asked_for(),
        "gpu": lambda wildcards: estimate(kind, wildcards).gpus,
        "disk_mb": lambda wildcards: round(estimate(kind, wildcards).disk_mb + 0.5),
        "estimated_mb": lambda wildcards: round(estimate(kind, wildcards).memory_mb),
        "estimated_seconds": lambda wildcards: round(estimate(kind, wildcards).seconds),
        "estimated_gpu_mb": lambda wildcards: round(estimate(kind, wildcards).gpu_memory_mb),
    }


def longer_first(stage):
    """Priorities: games with longer trainings first, so that the last jobs are short; `stage` is that of a whole stage."""

    def length(game):
        kinds = product(MODELS, ALGORITHMS)
        return sum(ESTIMATES.needs("training", game, *which).seconds for which in kinds)

    games = sorted(GAMES, key=length)
    return lambda wildcards: stage + games.index(wildcards.game)


def closing_words(workflow):
    """The claims of a run that included them, and where to look next."""
    ran = {job.rule.name for job in workflow.dag.jobs}
    for table in ("all_claims", "claims"):
        if f"table_{table}" in ran:
            results = paths.results(CONFIG.scale)
            text = Path(results, "tables", f"{table}.txt")
            if text.exists():  # here, not in a storage
                print(text.read_text())
            print(f"Figures: {results}/figures   tables: {results}/tables   logs: {results}/logs")
            return
