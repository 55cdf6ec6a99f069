"""Write down what a run was made with: its whole configuration, and versions of all software."""

from pathlib import Path

import yaml

from social_dilemmas.run.job import job

with job() as snakemake:
    import pandas as pd

    from social_dilemmas.report.pages.page import write_page
    from social_dilemmas.run.versions import versions

    rows = versions()
    settings = yaml.safe_dump(
        snakemake.params.config, sort_keys=False, allow_unicode=True, width=100
    )
    Path(snakemake.output.settings).write_text(settings, encoding="utf-8")
    pd.DataFrame(rows, columns=["name", "version"]).to_csv(snakemake.output.versions, index=False)
    write_page(
        "run.html.jinja",
        Path(snakemake.output.page),
        title="Configuration and versions",
        scale=snakemake.params.config["scale"],
        settings=settings,
        versions=rows,
    )
