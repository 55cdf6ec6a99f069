# Names and functions that the rules use; no rules.

import sys
from itertools import product
from pathlib import Path

import yaml

SCRIPTS = Path(workflow.basedir, "workflow", "scripts")
sys.path.insert(0, str(SCRIPTS))

from social_dilemmas.code_hash import code_hash
from social_dilemmas.configuration import check, with_defaults
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.learning.settings import (
    evaluation_settings,
    named,
    training_settings,
    warm_start_settings,
)


def checked(config):
    """The configuration with its defaults; a mistake in it ends Snakemake with one sentence."""
    schema = yaml.safe_load(
        Path(workflow.basedir, "workflow/schemas/config.schema.yaml").read_text()
    )
    *overriding, default = map(Path, workflow.configfiles)
    config = with_defaults(config, schema)
    try:
        check(config, schema, [default, *overriding])
    except UserError as error:
        sys.exit(str(error))
    return config


config = checked(config)

GAMES = [game["name"] for game in config["games"]]
MODELS = [model["name"] for model in config["models"]]
ALGORITHMS = [algorithm["name"] for algorithm in config["algorithms"]]
SEEDS = config["seeds"]

TABLES = ["learning_curves", "cross_play", "fingerprints", "claims"]
FIGURES = ["learning_curves", "cross_play", "fingerprints"]
if "trust_and_split" in GAMES:
    FIGURES += ["proposals", "truthfulness"]


pathvars:
    results=f"results/{config['scale']}",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    game="|".join(GAMES),
    model="|".join(MODELS),
    algorithm="|".join(ALGORITHMS),
    seed=r"\d+",


def game_entry(game):
    """What a job needs to know of a game."""
    entry = named(config["games"], game)
    return {key: entry[key] for key in ("name", "rounds", "rules")}


def modules_of(*games):
    """The library's modules that are found by the name of a game."""
    paths = [f"{room}/{game}.py" for game in games for room in ("games", "players")]
    return [path for path in paths if (SCRIPTS / "social_dilemmas" / path).is_file()]


def code_of_game(script):
    """The hash of a script that plays the game of its job."""
    return lambda wildcards: code_hash(script, *modules_of(wildcards.game))


def code_of_figure(figure):
    """The hash of a figure's module and of what it needs."""
    return code_hash("draw_figure.py", f"figures/{figure}.py", *modules_of(*GAMES))


def frozen_opponent(wildcards):
    """The adapter that a run learns against, if there is one."""
    settings = training_settings(config, wildcards.game, wildcards.algorithm)
    return settings["opponent"].get("adapter", [])


def length(game):
    """Grows with the time that a training in this game takes."""
    entry = named(config["games"], game)
    rules = build_game(game, entry["rounds"], entry["rules"])
    choices = sum(len(grammar.parts) for grammar in rules.grammars())
    settings = [training_settings(config, game, algorithm) for algorithm in ALGORITHMS]
    return (
        entry["rounds"] * choices * sum(each["iterations"] * each["matches"] for each in settings)
    )


def priority(first):
    """Longer jobs first, so that the last jobs are short; `first` puts a whole stage before another."""
    ranks = {game: rank for rank, game in enumerate(sorted(GAMES, key=length))}
    return lambda wildcards: first + ranks[wildcards.game]


def closing_words(workflow):
    """What the claims of a run that included them came to, and where to look next."""
    if any(job.rule.name == "claims" for job in workflow.dag.jobs):
        results = Path("results", config["scale"])
        print((results / "tables" / "claims.txt").read_text())
        print(f"Figures: {results}/figures   tables: {results}/tables   logs: {results}/logs")
