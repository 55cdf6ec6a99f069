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


rule table_tournament:
    input:
        matches=expand(
            "<results>/tournament/{game}/{model}/matches.parquet",
            game=TOURNAMENTS,
            model=MODELS,
        ),
        strategies=expand("<results>/tournament/{game}/strategies.parquet", game=TOURNAMENTS),
        kinds=expand("<results>/tournament/{game}/kinds.csv", game=TOURNAMENTS),
    output:
        ranking=report(
            "<results>/tables/tournament.csv",
            caption="../report/table_tournament.rst",
            category="Tables",
            labels={"table": in_words("tournament"), "as": "CSV"},
        ),
        by_opponent=report(
            "<results>/tables/tournament_by_opponent.csv",
            caption="../report/table_tournament_by_opponent.rst",
            category="Tables",
            labels={"table": in_words("tournament_by_opponent"), "as": "CSV"},
        ),
    log:
        "<logs>/tables/tournament.log",
    benchmark:
        "<benchmarks>/tables/tournament.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        games=TOURNAMENTS,
        sources=list(product(TOURNAMENTS, MODELS)),
        code=code_hash("table_tournament.py"),
    message:
        "Tables of the tournament"
    script:
        "../scripts/table_tournament.py"
