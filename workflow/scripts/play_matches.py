"""Let pairs of agents play each other."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import Agent
    from social_dilemmas.config.schema.evaluation import Evaluation
    from social_dilemmas.evaluation.cross_play import play_pairs
    from social_dilemmas.evaluation.located import located

    agents = located(map(Agent.of, snakemake.params.agents), snakemake.input.adapters)
    play_pairs(
        model=Path(snakemake.input.model),
        pairs=[(agents[first], agents[second]) for first, second in snakemake.params.pairs],
        game=snakemake.params.game,
        settings=Evaluation(**snakemake.params.settings),
        output=Path(snakemake.output[0]),
    )
