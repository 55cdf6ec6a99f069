rule play_cross_play:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=fixture(catalogue.cross_play)["adapters"],
    output:
        f"<results>/{paths.CROSS_PLAY}/matches.parquet",
    log:
        f"<logs>/{paths.CROSS_PLAY}.log",
    benchmark:
        f"<benchmarks>/{paths.CROSS_PLAY}.tsv"
    priority: priority(first=200)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("cross_play", "game", "model"),
    params:
        game=game_entry,
        agents=fixture(catalogue.cross_play)["agents"],
        pairs=fixture(catalogue.cross_play)["pairs"],
        settings=plain(evaluation_settings, "game"),
        code=code_of_matches(catalogue.cross_play),
    message:
        "Cross-play in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/play_matches.py"
