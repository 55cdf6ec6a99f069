"""Play a pair of agents and write down everything that was said."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.agents.agent import WARM_START
    from social_dilemmas.evaluation.cross_play import UNSEEDED, Agent, scripted_agents
    from social_dilemmas.evaluation.transcripts import run_transcripts
    from social_dilemmas.games import game_of

    def agent(name: str, seed: int | None, adapter: str | None) -> Agent:
        """One of the two: a trained one, the model itself, or a scripted player."""
        if adapter is None and name != WARM_START:
            return scripted_agents(game_of(snakemake.params.game), [name])[0]
        return Agent(name, UNSEEDED if seed is None else seed, Path(adapter) if adapter else None)

    first, second = snakemake.params.agents
    run_transcripts(
        model=Path(snakemake.input.model),
        agents=(agent(*first), agent(*second)),
        game=snakemake.params.game,
        settings=snakemake.params.settings,
        output=Path(snakemake.output[0]),
    )
