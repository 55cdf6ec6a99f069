"""Put the payoffs of every agent with every opponent into one table, with intervals."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tables import cross_play

    matches = zip(snakemake.params.sources, snakemake.input, strict=True)
    table = cross_play({source: Path(path) for source, path in matches})
    table.to_csv(snakemake.output[0], index=False)
