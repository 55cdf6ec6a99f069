rule train:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
    output:
        adapter=directory(f"<results>/{paths.TRAINING}/adapter"),
        metrics=f"<results>/{paths.TRAINING}/metrics.csv",
        settings=f"<results>/{paths.TRAINING}/config.yaml",
    log:
        f"<logs>/{paths.TRAINING}.log",
    benchmark:
        f"<benchmarks>/{paths.TRAINING}.tsv"
    priority: priority(first=0)
    conda:
        training_environment()
    threads: world_size("training", "game", "model", "algorithm")
    resources:
        **needs("training", "game", "model", "algorithm"),
    params:
        game=game_entry,
        settings=plain(training_settings, "game", "algorithm"),
        opponent=None,
        code=code_of_training(training_settings, "game", "algorithm"),
    message:
        "Training {wildcards.algorithm} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"
