# Model cards of all trained agents, beside their adapters. No training depends on them, so their texts may change.


rule write_cards:
    input:
        models=sorted({f"<results>/{agent.base}" for agent in agents(further=False)}),
        adapters=files_of_agents("adapter", further=False),
        settings=files_of_agents("config.yaml", further=False),
    output:
        files_of_agents("README.md", further=False),
    log:
        "<logs>/cards.log",
    benchmark:
        "<benchmarks>/cards.tsv"
    conda:
        "../../envs/train.yaml"  # it has huggingface_hub
    resources:
        **needs("table"),
    params:
        agents=origins_of_agents(further=False),
        code=code_of_page("write_cards.py", "md"),
    message:
        "Model cards of the trained agents"
    script:
        "../scripts/write_cards.py"


use rule write_cards as write_further_cards with:
    input:
        models=sorted({f"<results>/{agent.base}" for agent in agents(further=True)}),
        adapters=files_of_agents("adapter", further=True),
        settings=files_of_agents("config.yaml", further=True),
    output:
        files_of_agents("README.md", further=True),
    log:
        "<logs>/further_cards.log",
    benchmark:
        "<benchmarks>/further_cards.tsv"
    params:
        agents=origins_of_agents(further=True),
        code=code_of_page("write_cards.py", "md"),
    message:
        "Model cards of the agents of further experiments"
