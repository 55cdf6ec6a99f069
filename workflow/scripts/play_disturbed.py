"""Let pairs of agents play each other while their hands slip, or their messages are lost."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import Agent
    from social_dilemmas.config.settings import DisturbanceSettings
    from social_dilemmas.evaluation.disturbances import play_disturbed
    from social_dilemmas.evaluation.located import located

    agents = located(map(Agent.of, snakemake.params.agents), snakemake.input.adapters)
    play_disturbed(
        model=Path(snakemake.input.model),
        pairs=[(agents[first], agents[second]) for first, second in snakemake.params.pairs],
        game=snakemake.params.game,
        settings=DisturbanceSettings(**snakemake.params.settings),
        output=Path(snakemake.output[0]),
    )
