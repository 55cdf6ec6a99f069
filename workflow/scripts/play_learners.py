"""Let every agent that learned against a fixed opponent play that opponent."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.evaluation.cross_play import play_pairs
    from social_dilemmas.evaluation.exploitability import learner_pairs
    from social_dilemmas.games import game_of

    play_pairs(
        model=Path(snakemake.input.model),
        pairs=learner_pairs(
            game_of(snakemake.params.game),
            snakemake.params.learners,
            [Path(adapter) for adapter in snakemake.input.learners],
        ),
        game=snakemake.params.game,
        settings=snakemake.params.settings,
        output=Path(snakemake.output[0]),
    )
