"""Print a table: as a page for the report and in LaTeX for a paper."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.catalogue import TABLES
    from social_dilemmas.report.latex import latex_table
    from social_dilemmas.report.pages.page import write_page
    from social_dilemmas.report.printed import printed
    from social_dilemmas.statistics.files import read_rows

    name, most_rows = snakemake.params.table, 60  # what a page of a paper can hold
    parts = printed(name, read_rows(snakemake.input[0]))
    Path(snakemake.output.latex).write_text(
        "\n".join(
            latex_table(
                part.frame, caption=part.title, label="-".join(filter(None, (name, part.label)))
            )
            for part in parts
            if len(part.frame) <= most_rows
        ),
        encoding="utf-8",
    )
    title = TABLES[name].title
    write_page("table.html.jinja", Path(snakemake.output.page), title=title, tables=parts)
