import sys

from snakemake.sourcecache import LocalSourceFile
from snakemake.utils import min_version

min_version("9.27")

if not isinstance(workflow.current_basedir, LocalSourceFile):
    sys.exit("From a git source, import workflow/Snakefile, not Snakefile")


configfile: f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/config/config.yaml"


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
include: "workflow/rules/prior_audit.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/cross_play.smk"
include: "workflow/rules/exploitability.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/prior_sweep.smk"
include: "workflow/rules/two_learners.smk"
include: "workflow/rules/tournament.smk"
include: "workflow/rules/disturbances.smk"
include: "workflow/rules/generalisation.smk"
include: "workflow/rules/cards.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/transcripts.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/start.smk"
include: "workflow/rules/machine.smk"


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


STAGES = {  # target: its files, and what it says when they are there
    "first": (
        f"<results>/figures/{catalogue.FIRST}.png",
        f"Look at {paths.results(CONFIG.scale)}/figures/{catalogue.FIRST}.png",
    ),
    "base": (expand(f"<results>/{paths.BASE}", model=MODELS), "The base models are there"),
    "warm_start": (
        expand(f"<results>/{paths.WARM_STARTED}", game=GAMES, model=MODELS),
        "The warm-started models are there",
    ),
    "training": (made("training_metrics"), "The agents are trained"),
    "clone": (
        expand(f"<results>/{paths.CLONE}/adapter", game=contents.clone_games(CONFIG), model=MODELS),
        "The clones are trained",
    ),
    "cross_play": (made("cross_play_matches"), "The cross-play matches are there"),
    "exploitability": (made("learner_matches"), "The learners have met their opponents"),
    "ablations": (made("variant_matches"), "The ablations are there"),
    "rivals": (made("rivalled_matches") + made("rival_matches"), "The rivals are there"),
    "prior_sweep": (made("prior_matches"), "The sweep over priors is there"),
    "two_learners": (made("pair_metrics"), "The pairs of learners are trained"),
    "tournament": (
        made("tournament_matches") + made("strategy_matches"),
        "The tournament is played",
    ),
    "disturbances": (made("disturbed_matches"), "The disturbed matches are played"),
    "generalisation": (
        made("variation_matches") + made("perplexities"),
        "The agents have met what they weren't trained on",
    ),
    "prior_audit": (made("prior_probabilities"), "The model's prior is audited"),
    "tables": (expand("<results>/tables/{table}.csv", table=TABLES), "The tables are there"),
    "figures": (expand("<results>/figures/{figure}.pdf", figure=FIGURES), "The figures are there"),
    "transcripts": ("<results>/transcripts/index.html", "The transcripts are there"),
    "pages": (
        [
            "<results>/run.html",
            "<results>/transcripts/index.html",
            *expand("<results>/tables/{table}.html", table=TABLES),
        ],
        "The pages of the report are there",
    ),
}

for stage, (files, said) in STAGES.items():

    rule:
        name:
            stage
        input:
            files,
        message:
            said
