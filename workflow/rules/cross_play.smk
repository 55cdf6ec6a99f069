rule play_cross_play:
    input:
        model="<results>/warm_start/{game}/{model}/model",
        adapters=expand(
            "<results>/training/{{game}}/{{model}}/{algorithm}/seed-{seed}/adapter",
            algorithm=ALGORITHMS,
            seed=SEEDS,
        ),
    output:
        "<results>/cross_play/{game}/{model}/matches.parquet",
    log:
        "<logs>/cross_play/{game}/{model}.log",
    benchmark:
        "<benchmarks>/cross_play/{game}/{model}.tsv"
    priority: priority(first=200)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("cross_play", "game", "model"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        agents=[(algorithm, seed) for algorithm in ALGORITHMS for seed in SEEDS],
        pairs="all_pairs",
        settings=lambda wildcards: evaluation_settings(config, wildcards.game),
        code=code_of_game("cross_play.py"),
    message:
        "Cross-play in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/cross_play.py"
