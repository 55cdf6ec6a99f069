"""Let the strategies of the Axelrod library play each other, and tell what kind each one is."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.evaluation.strategies import run_strategies

    run_strategies(
        game=snakemake.params.game,
        strategies=snakemake.params.strategies,
        matches=snakemake.params.matches,
        output=Path(snakemake.output.matches),
        kinds=Path(snakemake.output.kinds),
    )
