"""Compute a table, and the text that says it in a terminal where it has one."""

from pathlib import Path
from pkgutil import resolve_name

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.statistics.tables import with_settings

    files = {
        argument: dict(zip(keys, map(Path, snakemake.input[argument]), strict=True))
        for argument, keys in snakemake.params.inputs.items()
    }
    table = resolve_name(f"social_dilemmas.{snakemake.params.function}")(**files)
    table = with_settings(table, snakemake.params.differing)
    table.to_csv(snakemake.output.table, index=False)
    if snakemake.params.text:
        text = resolve_name(f"social_dilemmas.{snakemake.params.text}")(table)
        Path(snakemake.output.text).write_text(text + "\n")
