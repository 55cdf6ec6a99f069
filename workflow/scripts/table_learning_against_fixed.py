"""Put the metrics of all learners against fixed opponents into one table."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tables import learning_against_fixed

    runs = zip(snakemake.params.runs, snakemake.input, strict=True)
    table = learning_against_fixed({run: Path(path) for run, path in runs})
    table.to_csv(snakemake.output[0], index=False)
