"""Measure how well a model predicts ordinary English, before and after training."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import Agent
    from social_dilemmas.evaluation.located import located
    from social_dilemmas.evaluation.perplexity import ENGLISH, measure_perplexity

    measure_perplexity(
        model=Path(snakemake.input.model),
        agents=located(map(Agent.of, snakemake.params.agents), snakemake.input.adapters),
        game=snakemake.params.game,
        text=ENGLISH.read_text(encoding="utf-8"),
        output=Path(snakemake.output[0]),
    )
