"""List all transcripts on a page, with their outcomes and links to them."""

import json
from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.pages.page import write_page
    from social_dilemmas.report.pages.transcript import summarise

    output = Path(snakemake.output[0])
    rows = []
    for page, source in zip(snakemake.input.pages, snakemake.input.transcripts, strict=True):
        summary = summarise(json.loads(Path(source).read_text(encoding="utf-8")))
        link = Path(page).relative_to(output.parent).as_posix()
        rows.append({**summary, "link": link, "model": link.split("/")[1]})
    write_page("transcripts.html.jinja", output, title="Transcripts", transcripts=rows)
