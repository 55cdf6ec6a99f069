"""Let all agents of a game play all others and the scripted players."""

from pathlib import Path

from social_dilemmas.jobs import job

with job() as snakemake:
    from social_dilemmas.evaluation.cross_play import run_cross_play

    agents = zip(snakemake.params.agents, snakemake.input.adapters, strict=True)
    run_cross_play(
        model=Path(snakemake.input.model),
        adapters=[(algorithm, seed, Path(path)) for (algorithm, seed), path in agents],
        game=snakemake.params.game,
        settings=snakemake.params.settings,
        output=Path(snakemake.output[0]),
    )
