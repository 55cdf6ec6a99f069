"""Put the tournament's ranking, and what trained agents get with each strategy, into tables."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tournament import by_opponent, ranking

    sources, games = snakemake.params.sources, snakemake.params.games
    matches = dict(zip(sources, map(Path, snakemake.input.matches), strict=True))
    strategies = dict(zip(games, map(Path, snakemake.input.strategies), strict=True))
    kinds = dict(zip(games, map(Path, snakemake.input.kinds), strict=True))
    ranking(matches, strategies, kinds).to_csv(snakemake.output.ranking, index=False)
    by_opponent(matches, kinds).to_csv(snakemake.output.by_opponent, index=False)
