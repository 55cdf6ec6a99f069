"""Draw a figure, and write the numbers that it shows."""

from importlib import import_module
from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.figures.style import add_note, save
    from social_dilemmas.statistics.files import read_rows

    figure = import_module(f"social_dilemmas.report.figures.{snakemake.params.figure}")
    tables = [read_rows(path) for path in snakemake.input]
    table = figure.table(*tables, **snakemake.params.arguments)
    table.to_csv(snakemake.output.numbers, index=False)
    pictures = [Path(path) for path in snakemake.output if path != snakemake.output.numbers]
    drawn = figure.draw(table)
    add_note(drawn, snakemake.params.note)
    save(drawn, pictures)
