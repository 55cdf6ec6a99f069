# A tournament in the prisoner's dilemma: trained agents among the strategies of the Axelrod library.


rule play_strategies:
    output:
        matches="<results>/tournament/{game}/strategies.parquet",
        kinds="<results>/tournament/{game}/kinds.csv",
    log:
        "<logs>/tournament/{game}/strategies.log",
    benchmark:
        "<benchmarks>/tournament/{game}/strategies.tsv"
    priority: 400  # one long job that waits for nothing
    conda:
        "../../envs/axelrod.yaml"
    threads: 1
    resources:
        **needs("strategies", "game"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        strategies=STRATEGIES,
        matches=config["tournament"]["matches"],
        code=code_of_game("play_strategies.py"),
    message:
        "Strategies of the Axelrod library among themselves in {wildcards.game}"
    script:
        "../scripts/play_strategies.py"


rule play_tournament:
    input:
        model="<results>/warm_start/{game}/{model}/model",
        adapters=expand(
            "<results>/training/{{game}}/{{model}}/{algorithm}/seed-{seed}/adapter",
            algorithm=ALGORITHMS,
            seed=SEEDS,
        ),
    output:
        "<results>/tournament/{game}/{model}/matches.parquet",
    log:
        "<logs>/tournament/{game}/{model}.log",
    benchmark:
        "<benchmarks>/tournament/{game}/{model}.tsv"
    conda:
        "../../envs/axelrod.yaml"
    threads: 1
    resources:
        **needs("tournament", "game", "model"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        agents=[(algorithm, seed) for algorithm in ALGORITHMS for seed in SEEDS],
        strategies=STRATEGIES,
        settings=lambda wildcards: tournament_settings(config, wildcards.game),
        code=code_of_game("play_tournament.py"),
    message:
        "Tournament in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/play_tournament.py"
