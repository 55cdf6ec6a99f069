"""Play a pair of agents and write down everything that was said."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import Agent
    from social_dilemmas.config.settings import TranscriptSettings
    from social_dilemmas.evaluation.located import located
    from social_dilemmas.evaluation.transcripts import run_transcripts

    first, second = located(map(Agent.of, snakemake.params.agents), snakemake.input.adapters)
    run_transcripts(
        model=Path(snakemake.input.model),
        agents=(first, second),
        game=snakemake.params.game,
        settings=TranscriptSettings(**snakemake.params.settings),
        output=Path(snakemake.output[0]),
    )
