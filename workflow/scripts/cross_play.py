"""Let all agents of a game play all others and the scripted players."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import WARM_START
    from social_dilemmas.evaluation import cross_play
    from social_dilemmas.games import game_of

    trained = zip(snakemake.params.agents, snakemake.input.adapters, strict=True)
    scripted = snakemake.params.settings["opponents"]
    agents = [
        cross_play.Agent(WARM_START),
        *(cross_play.Agent(name, seed, Path(adapter)) for (name, seed), adapter in trained),
        *cross_play.scripted_agents(game_of(snakemake.params.game), scripted),
    ]
    cross_play.play_pairs(
        model=Path(snakemake.input.model),
        pairs=getattr(cross_play, snakemake.params.pairs)(agents),
        game=snakemake.params.game,
        settings=snakemake.params.settings,
        output=Path(snakemake.output[0]),
    )
