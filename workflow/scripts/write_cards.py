"""Write the model cards of trained agents, each beside its adapter."""

import json
from pathlib import Path

import yaml

from social_dilemmas.run.job import job

with job() as snakemake:
    from social_dilemmas.report.publishing.agents import Origin
    from social_dilemmas.report.publishing.cards import BaseModel, parameter_count, write_agent_card

    adapters, agents = snakemake.input.adapters, snakemake.params.agents
    for adapter, card, (agent, origin) in zip(adapters, snakemake.output, agents, strict=True):
        run = yaml.safe_load(Path(card).with_name("config.yaml").read_text(encoding="utf-8"))
        fingerprint = json.loads(Path(adapter, "base_model.json").read_text())["fingerprint"]
        parameters = parameter_count(Path(run["model"]))
        known = Origin(*origin) if origin else None
        base = BaseModel(run["model"], fingerprint, parameters, origin=known)
        write_agent_card(Path(card), agent, run, base, adapter)
