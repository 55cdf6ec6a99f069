"""Write the model cards of trained agents, each beside its adapter."""

import json
from pathlib import Path

import yaml

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.publishing.agents import Origin
    from social_dilemmas.report.publishing.cards import BaseModel, weights_of, write_agent_card

    files = (snakemake.input.adapters, snakemake.input.settings, snakemake.output)
    for (agent, base, origin), adapter, settings, card in zip(
        snakemake.params.agents, *files, strict=True
    ):
        run = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
        fingerprint = json.loads(Path(adapter, "base_model.json").read_text())["fingerprint"]
        weights = weights_of(Path(snakemake.input.models[base]))
        known = Origin(*origin) if origin else None
        model = BaseModel(run["model"], fingerprint, weights, origin=known)
        write_agent_card(Path(card), agent, run, model, adapter)
