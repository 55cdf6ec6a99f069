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
    priority: longer_first(0)
    conda:
        environment_of_sampler
    threads: lambda wildcards: estimate("training", wildcards).world_size
    resources:
        **needs("training"),
    params:
        **parameters_of_training("training"),
    message:
        "Training {wildcards.algorithm} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"
