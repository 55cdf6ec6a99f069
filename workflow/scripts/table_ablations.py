"""Put into one table, with intervals, what each ablation costs."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tables import ablations

    standard = zip(snakemake.params.sources, snakemake.input.standard, strict=True)
    variants = zip(snakemake.params.variants, snakemake.input.variants, strict=True)
    table = ablations(
        {source: Path(path) for source, path in standard},
        {variant: Path(path) for variant, path in variants},
        snakemake.params.algorithm,
    )
    table.to_csv(snakemake.output[0], index=False)
