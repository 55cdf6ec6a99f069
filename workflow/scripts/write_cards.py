"""Write the model cards of trained agents, each beside its adapter."""

import json
from pathlib import Path

import yaml

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.publishing.cards import BaseModel, parameter_count, write_agent_card

    for (agent, origin), adapter, settings, card in zip(
        snakemake.params.agents,
        snakemake.input.adapters,
        snakemake.input.settings,
        snakemake.output,
        strict=True,
    ):
        run = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
        fingerprint = json.loads(Path(adapter, "base_model.json").read_text())["fingerprint"]
        size = parameter_count(Path(run["model"]))
        base = BaseModel(run["model"], fingerprint, size, origin=origin)
        write_agent_card(Path(card), agent, run, base, adapter)
