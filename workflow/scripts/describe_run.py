"""Write down what a run was made with: its whole configuration, and versions of all software."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.pages.page import write_page
    from social_dilemmas.run.versions import describe, versions

    settings = Path(snakemake.output.settings)
    describe(snakemake.params.config, settings.parent)
    write_page(
        "run.html.jinja",
        Path(snakemake.output.page),
        title="Configuration and versions",
        scale=snakemake.params.config["scale"],
        settings=settings.read_text(encoding="utf-8"),
        versions=versions(),
    )
