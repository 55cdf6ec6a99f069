"""Train an agent by reinforcement learning."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.method.train import train_job
    from social_dilemmas.run.launch import launch

    params = snakemake.params
    arguments = {
        "model": str(snakemake.input.model),
        "game": params.game,
        "settings": params.settings,
        "seed": int(snakemake.wildcards.seed),
        "output": str(Path(snakemake.output.adapter).parent),
        "opponent": params.opponent,
        "code": params.code,
    }
    launch(train_job, arguments, world_size=params.settings["world_size"])
