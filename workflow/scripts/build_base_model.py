"""Build the base model, as an ordinary model directory."""

from pathlib import Path

from social_dilemmas.jobs import job

with job() as snakemake:
    from social_dilemmas.generation.model import write_base_model
    from social_dilemmas.learning.corpus import game_texts

    corpus, varying = game_texts(snakemake.params.games)
    write_base_model(snakemake.params.model, corpus, varying, Path(snakemake.output[0]))
