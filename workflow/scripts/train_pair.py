"""Train two agents that learn against each other."""

from pathlib import Path

from social_dilemmas.run.job import job

if __name__ == "__main__":  # ranks of a training import this file again
    with job() as snakemake:
        from social_dilemmas.config.settings import TrainingSettings
        from social_dilemmas.method.train_pair import train_pair
        from social_dilemmas.run.launch import launch

        params = snakemake.params
        settings = [TrainingSettings(**each) for each in params.settings]
        launch(
            train_pair,
            world_size=settings[0].world_size,
            model=Path(snakemake.input.model),
            game=params.game,
            settings=settings,
            seed=int(snakemake.wildcards.seed),
            output=Path(snakemake.output.metrics).parent,
            code=params.code,
        )
