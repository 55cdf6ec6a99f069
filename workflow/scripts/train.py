"""Train an agent by reinforcement learning, from the warm-started model of its game."""

from pathlib import Path

from social_dilemmas.run.job import job

if __name__ == "__main__":  # ranks of a training import this file again
    with job() as snakemake:
        from social_dilemmas.method.train import train
        from social_dilemmas.run.launch import launch

        launch(
            train,
            world_size=snakemake.params.settings["processes"],
            model=Path(snakemake.input.model),
            game=snakemake.params.game,
            settings=snakemake.params.settings,
            seed=int(snakemake.wildcards.seed),
            output=Path(snakemake.output.adapter).parent,
            opponent=snakemake.params.opponent,
            code=snakemake.params.code,
        )
