"""Train an agent by reinforcement learning."""

from dataclasses import replace
from pathlib import Path

from social_dilemmas.run.job import job

if __name__ == "__main__":  # ranks of a training import this file again
    with job() as snakemake:
        from social_dilemmas.agents.agent import Agent
        from social_dilemmas.config.settings import TrainingSettings
        from social_dilemmas.method.train import train
        from social_dilemmas.run.launch import launch

        params = snakemake.params
        opponent = Agent.of(params.opponent) if params.opponent else None
        if opponent and opponent.adapter:
            # A storage or a module's prefix may have moved it.
            opponent = replace(opponent, adapter=str(snakemake.input.opponent[0]))
        settings = TrainingSettings(**params.settings)
        launch(
            train,
            world_size=settings.world_size,
            model=Path(snakemake.input.model),
            game=params.game,
            settings=settings,
            seed=int(snakemake.wildcards.seed),
            output=Path(snakemake.output.adapter).parent,
            opponent=opponent,
            code=params.code,
        )
