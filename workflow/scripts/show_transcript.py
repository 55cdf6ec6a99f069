"""Show a pair's transcripts as a page."""

import json
from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.pages.page import write_page
    from social_dilemmas.report.pages.transcript import transcript_page

    transcripts = json.loads(Path(snakemake.input[0]).read_text(encoding="utf-8"))
    write_page(
        "transcript.html.jinja",
        Path(snakemake.output[0]),
        model=snakemake.wildcards.model,
        **transcript_page(transcripts),
    )
