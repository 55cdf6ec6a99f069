"""Build the base model, as an ordinary model directory."""

import logging
from pathlib import Path
from types import SimpleNamespace

from social_dilemmas.run.job import job

# The names of a model directory's config.json for those of the configuration.
NAMES = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feed_forward_size": "intermediate_size",
}

with job() as snakemake:
    from social_dilemmas.agents.scripted.corpus import game_texts
    from social_dilemmas.config.settings import named
    from social_dilemmas.policy.model import write_base_model
    from social_dilemmas.run.estimate.shape import differences

    corpus, varying = game_texts(snakemake.params.games)
    given = {NAMES.get(key, key): value for key, value in snakemake.params.model.items()}
    model = SimpleNamespace(**{"revision": None, "dtype": None, **given})
    write_base_model(model, corpus, varying, Path(snakemake.output[0]))
    entry = named(snakemake.config["models"], snakemake.wildcards.model)
    if wrong := differences(entry, Path(snakemake.output[0])):
        logging.getLogger("social_dilemmas").warning(
            "models[%s].shape isn't this model's, so that estimates are off: %s",
            entry["name"],
            ", ".join(wrong),
        )
