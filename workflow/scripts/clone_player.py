"""Teach the warm-started model to play like one scripted player."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.config.settings import CloneSettings
    from social_dilemmas.method.clone import run_clone

    run_clone(
        model=Path(snakemake.input[0]),
        game=snakemake.params.game,
        settings=CloneSettings(**snakemake.params.settings),
        output=Path(snakemake.output.adapter),
        metrics=Path(snakemake.output.metrics),
    )
