"""Let all agents of a game play each other and the strategies of the Axelrod library."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import WARM_START
    from social_dilemmas.evaluation.cross_play import Agent
    from social_dilemmas.evaluation.tournament import run_tournament

    trained = zip(snakemake.params.agents, snakemake.input.adapters, strict=True)
    run_tournament(
        model=Path(snakemake.input.model),
        agents=[
            Agent(WARM_START),
            *(Agent(name, seed, Path(adapter)) for (name, seed), adapter in trained),
        ],
        strategies=snakemake.params.strategies,
        game=snakemake.params.game,
        settings=snakemake.params.settings,
        output=Path(snakemake.output[0]),
    )
