# Model cards of all trained agents, beside their adapters. No training depends on them, so their texts may change.


for further in (False, True):
    bases = sorted({str(agent.base) for agent in agents(further)})

    rule:
        name:
            "write_further_cards" if further else "write_cards"
        input:
            models=[f"<results>/{base}" for base in bases],
            adapters=files_of_agents("adapter", further),
            settings=files_of_agents("config.yaml", further),
        output:
            files_of_agents("README.md", further),
        log:
            f"<logs>/{'further_' if further else ''}cards.log",
        benchmark:
            f"<benchmarks>/{'further_' if further else ''}cards.tsv"
        group:
            SMALL_JOBS
        conda:
            "../../envs/train.yaml"  # it has huggingface_hub
        resources:
            **needs("table"),
        params:
            agents=[
                (
                    agent.name,
                    bases.index(str(agent.base)),
                    tuple(origin_of(CONFIG, agent.model) or ()),
                )
                for agent in agents(further)
            ],
            titles=TITLES,
            code=code_of_page("write_cards.py", "md"),
        message:
            f"Model cards of the {'agents of further experiments' if further else 'trained agents'}"
        script:
            "../scripts/write_cards.py"
