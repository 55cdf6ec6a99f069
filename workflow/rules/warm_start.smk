rule warm_start_model:
    input:
        "<results>/base/{model}",
    output:
        model=directory("<results>/warm_start/{game}/{model}/model"),
        metrics="<results>/warm_start/{game}/{model}/metrics.csv",
        behaviour="<results>/warm_start/{game}/{model}/behaviour.csv",
    log:
        "<logs>/warm_start/{game}/{model}.log",
    benchmark:
        "<benchmarks>/warm_start/{game}/{model}.tsv"
    priority: priority(first=100)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("warm_start", "game", "model"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        settings=lambda wildcards: warm_start_settings(config, wildcards.game),
        code=code_of_game("warm_start_model.py"),
    message:
        "Warm start of {wildcards.model} in {wildcards.game}"
    script:
        "../scripts/warm_start_model.py"
