"""Hold the paper's claims against what was measured."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    import pandas as pd

    from social_dilemmas.statistics.claims import (
        CRITERIA,
        FURTHER_CRITERIA,
        claims,
        format_claims,
    )

    criteria = (*CRITERIA, *FURTHER_CRITERIA) if snakemake.params.further else CRITERIA
    table = claims([pd.read_csv(path) for path in snakemake.input], criteria)
    table.to_csv(snakemake.output.table, index=False)
    Path(snakemake.output.text).write_text(format_claims(table) + "\n")
