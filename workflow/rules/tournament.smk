# A tournament in the prisoner's dilemma: trained agents among the strategies of the Axelrod library.


rule play_strategies:
    output:
        matches=f"<results>/{paths.STRATEGIES}/strategies.parquet",
        kinds=f"<results>/{paths.STRATEGIES}/kinds.csv",
    log:
        f"<logs>/{paths.STRATEGIES}/strategies.log",
    benchmark:
        f"<benchmarks>/{paths.STRATEGIES}/strategies.tsv"
    priority: 400  # one long job that waits for nothing
    conda:
        "../../envs/axelrod.yaml"
    threads: 1
    resources:
        **needs("strategies"),
    params:
        game=game_entry,
        strategies=contents.strategies(CONFIG),
        matches=CONFIG.tournament.matches,
        code=code_of_game("play_strategies.py"),
    message:
        "Strategies of the Axelrod library among themselves in {wildcards.game}"
    script:
        "../scripts/play_strategies.py"


use rule play_cross_play as play_tournament with:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=adapters_of_matches("tournament"),
    output:
        f"<results>/{paths.TOURNAMENT}/matches.parquet",
    log:
        f"<logs>/{paths.TOURNAMENT}.log",
    benchmark:
        f"<benchmarks>/{paths.TOURNAMENT}.tsv"
    conda:
        "../../envs/axelrod.yaml"
    resources:
        **needs("tournament"),
    params:
        **parameters_of_matches("tournament"),
    message:
        "Tournament in {wildcards.game}, {wildcards.model}"
