"""Teach the base model to play a game like a population of scripted players."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.config.schema.warm_start import WarmStart
    from social_dilemmas.method.warm_start import run_warm_start

    run_warm_start(
        base=Path(snakemake.input[0]),
        game=snakemake.params.game,
        settings=WarmStart(**snakemake.params.settings),
        output=Path(snakemake.output.model),
        metrics=Path(snakemake.output.metrics),
        behaviour=Path(snakemake.output.behaviour),
    )
