"""Measure what a model does in a matrix game before any training."""

from pathlib import Path

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.evaluation.prior_audit import audit_prior

    audit_prior(
        model=Path(snakemake.input.model),
        game=snakemake.params.game,
        tellings=snakemake.params.tellings,
        output=Path(snakemake.output[0]),
    )
