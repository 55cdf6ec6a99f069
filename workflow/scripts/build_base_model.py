"""Build the base model, as an ordinary model directory."""

import logging
from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from pydantic import TypeAdapter

    from social_dilemmas.agents.scripted.corpus import game_texts
    from social_dilemmas.config.schema.models import Model
    from social_dilemmas.config.schema.section import named
    from social_dilemmas.policy.model import write_base_model
    from social_dilemmas.run.shape import differences

    models = TypeAdapter(list[Model]).validate_python(snakemake.config["models"])
    model, output = named(models, snakemake.wildcards.model), Path(snakemake.output[0])
    write_base_model(model, *game_texts(snakemake.params.games), output)
    if wrong := differences(model, output):
        logging.getLogger("social_dilemmas").warning(
            "models[%s].shape isn't this model's, so that estimates are off: %s",
            model.name,
            ", ".join(wrong),
        )
