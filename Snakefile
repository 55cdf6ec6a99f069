from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


rule all:
    input:
        expand("<results>/figures/{figure}.pdf", figure=FIGURES),
        expand("<results>/tables/{table}.csv", table=TABLES),
        files_of_agents("README.md", further=False),
    message:
        "Everything is there"


include: "workflow/rules/base.smk"
include: "workflow/rules/warm_start.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/cross_play.smk"
include: "workflow/rules/exploitability.smk"
include: "workflow/rules/ablations.smk"
include: "workflow/rules/tournament.smk"
include: "workflow/rules/cards.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/transcripts.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cluster.smk"


rule everything:
    input:
        rules.all.input,
        expand("<results>/tables/{table}.csv", table=FURTHER_TABLES),
        expand("<results>/figures/{figure}.pdf", figure=FURTHER_FIGURES),
        expand("<results>/tables/{table}.html", table=TABLES + FURTHER_TABLES),
        files_of_agents("README.md", further=True),
        "<results>/transcripts/index.html",
        "<results>/run.html",
    message:
        "Everything is there, and all further experiments"


rule base:
    input:
        expand("<results>/base/{model}", model=MODELS),
    message:
        "The base models are there"


rule warm_start:
    input:
        expand("<results>/warm_start/{game}/{model}/model", game=GAMES, model=MODELS),
    message:
        "The warm-started models are there"


rule training:
    input:
        expand(
            "<results>/training/{game}/{model}/{algorithm}/seed-{seed}/adapter",
            game=GAMES,
            model=MODELS,
            algorithm=ALGORITHMS,
            seed=SEEDS,
        ),
    message:
        "The agents are trained"


rule cross_play:
    input:
        expand("<results>/cross_play/{game}/{model}/matches.parquet", game=GAMES, model=MODELS),
    message:
        "The cross-play matches are there"


rule exploitability:
    input:
        expand(
            "<results>/exploitability/{game}/{model}/matches.parquet",
            game=LEARNER_GAMES,
            model=MODELS,
        ),
    message:
        "The learners have met their opponents"


rule ablations:
    input:
        variant_files("<results>/ablations/{game}/{model}/{variant}/matches.parquet"),
    message:
        "The ablations are there"


rule tables:
    input:
        expand("<results>/tables/{table}.csv", table=TABLES),
    message:
        "The tables are there"


rule figures:
    input:
        expand("<results>/figures/{figure}.pdf", figure=FIGURES),
    message:
        "The figures are there"


rule tournament:
    input:
        expand(
            "<results>/tournament/{game}/{model}/matches.parquet",
            game=TOURNAMENTS,
            model=MODELS,
        ),
        expand("<results>/tournament/{game}/strategies.parquet", game=TOURNAMENTS),
    message:
        "The tournament is played"


rule transcripts:
    input:
        "<results>/transcripts/index.html",
    message:
        "The transcripts are there"


rule pages:
    input:
        "<results>/run.html",
        "<results>/transcripts/index.html",
        expand("<results>/tables/{table}.html", table=TABLES),
    message:
        "The pages of the report are there"
