"""Hold the paper's claims against what was measured."""

from pathlib import Path

from social_dilemmas.jobs import job

with job() as snakemake:
    import pandas as pd

    from social_dilemmas.evaluation.claims import claims, format_claims

    table = claims(
        pd.read_csv(snakemake.input.cross_play), pd.read_csv(snakemake.input.fingerprints)
    )
    table.to_csv(snakemake.output.table, index=False)
    Path(snakemake.output.text).write_text(format_claims(table) + "\n")
