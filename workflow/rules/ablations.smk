# Ablations: one thing of the method left out or done differently.


use rule train as train_variant with:
    input:
        model=model_of_variant,
    output:
        adapter=directory("<results>/ablations/{game}/{model}/{variant}/seed-{seed}/adapter"),
        metrics="<results>/ablations/{game}/{model}/{variant}/seed-{seed}/metrics.csv",
        settings="<results>/ablations/{game}/{model}/{variant}/seed-{seed}/config.yaml",
    log:
        "<logs>/ablations/{game}/{model}/{variant}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/ablations/{game}/{model}/{variant}/seed-{seed}.tsv"
    threads: processes("variant", "game", "model", "variant")
    resources:
        **needs("variant", "game", "model", "variant"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        settings=lambda wildcards: ablation_settings(config, wildcards.game, wildcards.variant),
        opponent=None,
        code=code_of_game("train.py"),
    message:
        "Ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"


use rule play_cross_play as play_variant with:
    input:
        model=model_of_variant,
        adapters=expand(
            "<results>/ablations/{{game}}/{{model}}/{{variant}}/seed-{seed}/adapter", seed=SEEDS
        ),
    output:
        "<results>/ablations/{game}/{model}/{variant}/matches.parquet",
    log:
        "<logs>/ablations/{game}/{model}/{variant}.log",
    benchmark:
        "<benchmarks>/ablations/{game}/{model}/{variant}.tsv"
    resources:
        **needs("variant_matches", "game", "model", "variant"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        agents=lambda wildcards: [(wildcards.variant, seed) for seed in SEEDS],
        pairs="own_pairs",
        settings=lambda wildcards: evaluation_settings(config, wildcards.game),
        code=code_of_game("cross_play.py"),
    message:
        "Matches of the ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}"
