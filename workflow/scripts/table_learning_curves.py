"""Put the metrics of all training runs into one table."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tables import learning_curves

    runs = zip(snakemake.params.runs, snakemake.input, strict=True)
    table = learning_curves({run: Path(path) for run, path in runs})
    table.to_csv(snakemake.output[0], index=False)
