rule train:
    input:
        model="<results>/warm_start/{game}/{model}/model",
    output:
        adapter=directory("<results>/training/{game}/{model}/{algorithm}/seed-{seed}/adapter"),
        metrics="<results>/training/{game}/{model}/{algorithm}/seed-{seed}/metrics.csv",
        settings="<results>/training/{game}/{model}/{algorithm}/seed-{seed}/config.yaml",
    log:
        "<logs>/training/{game}/{model}/{algorithm}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/training/{game}/{model}/{algorithm}/seed-{seed}.tsv"
    priority: priority(first=0)
    conda:
        training_environment()
    threads: processes("training", "game", "model", "algorithm")
    resources:
        **needs("training", "game", "model", "algorithm"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        settings=lambda wildcards: training_settings(config, wildcards.game, wildcards.algorithm),
        opponent=None,
        code=code_of_game("train.py"),
    message:
        "Training {wildcards.algorithm} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"
