# How much reciprocity the warm start must have: trainings from other populations.


use rule warm_start_model as warm_start_prior with:
    output:
        model=directory(f"<results>/{paths.PRIOR_STARTED}"),
        metrics=f"<results>/{paths.PRIOR}/metrics.csv",
        behaviour=f"<results>/{paths.PRIOR}/behaviour.csv",
    log:
        f"<logs>/{paths.PRIOR}/warm_start.log",
    benchmark:
        f"<benchmarks>/{paths.PRIOR}/warm_start.tsv"
    priority: 0
    params:
        game=game_entry,
        settings=lambda wildcards: prior_settings(CONFIG, wildcards.game, wildcards.share).plain(),
        code=code_of_game("warm_start_model.py"),
    message:
        "Warm start of {wildcards.model} in {wildcards.game}, share {wildcards.share} of reciprocal players"


use rule train as train_prior with:
    input:
        model=f"<results>/{paths.PRIOR_STARTED}",
    output:
        adapter=directory(f"<results>/{paths.PRIOR_TRAINING}/adapter"),
        metrics=f"<results>/{paths.PRIOR_TRAINING}/metrics.csv",
        settings=f"<results>/{paths.PRIOR_TRAINING}/config.yaml",
    log:
        f"<logs>/{paths.PRIOR_TRAINING}.log",
    benchmark:
        f"<benchmarks>/{paths.PRIOR_TRAINING}.tsv"
    threads: lambda wildcards: estimate("prior", wildcards).world_size
    resources:
        **needs("prior"),
    params:
        **parameters_of_training("prior"),
    message:
        "Training {wildcards.algorithm} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}, share {wildcards.share} of reciprocal players"


use rule play_cross_play as play_prior with:
    input:
        model=f"<results>/{paths.PRIOR_STARTED}",
        adapters=adapters_of_matches("prior_matches"),
    output:
        f"<results>/{paths.PRIOR}/matches.parquet",
    log:
        f"<logs>/{paths.PRIOR}/matches.log",
    benchmark:
        f"<benchmarks>/{paths.PRIOR}/matches.tsv"
    resources:
        **needs("prior_matches"),
    params:
        **parameters_of_matches("prior_matches"),
    message:
        "Matches in {wildcards.game}, {wildcards.model}, share {wildcards.share} of reciprocal players"
