"""Build the base model, as an ordinary model directory."""

import logging
from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.scripted.corpus import game_texts
    from social_dilemmas.config.settings import named
    from social_dilemmas.policy.model import write_base_model
    from social_dilemmas.run.estimate.shape import differences

    corpus, varying = game_texts(snakemake.params.games)
    write_base_model(snakemake.params.model, corpus, varying, Path(snakemake.output[0]))
    entry = named(snakemake.config["models"], snakemake.wildcards.model)
    if wrong := differences(entry, Path(snakemake.output[0])):
        logging.getLogger("social_dilemmas").warning(
            "models[%s].shape isn't this model's, so that estimates are off: %s",
            entry["name"],
            ", ".join(wrong),
        )
