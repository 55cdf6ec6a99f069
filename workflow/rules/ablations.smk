# Ablations: one thing of the method left out or done differently.


use rule train as train_variant with:
    input:
        model=start_of_variant,
    output:
        adapter=directory(f"<results>/{paths.VARIANT}/adapter"),
        metrics=f"<results>/{paths.VARIANT}/metrics.csv",
        settings=f"<results>/{paths.VARIANT}/config.yaml",
    log:
        f"<logs>/{paths.VARIANT}.log",
    benchmark:
        f"<benchmarks>/{paths.VARIANT}.tsv"
    threads: world_size("variant", "game", "model", "variant")
    resources:
        **needs("variant", "game", "model", "variant"),
    params:
        game=game_entry,
        settings=plain(ablation_settings, "game", "variant"),
        opponent=None,
        code=code_of_training(ablation_settings, "game", "variant"),
    message:
        "Ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"


use rule play_cross_play as play_variant with:
    input:
        model=start_of_variant,
        adapters=fixture(catalogue.variant_matches)["adapters"],
    output:
        f"<results>/{paths.VARIANT_MATCHES}/matches.parquet",
    log:
        f"<logs>/{paths.VARIANT_MATCHES}.log",
    benchmark:
        f"<benchmarks>/{paths.VARIANT_MATCHES}.tsv"
    resources:
        **needs("variant_matches", "game", "model", "variant"),
    params:
        game=game_entry,
        agents=fixture(catalogue.variant_matches)["agents"],
        pairs=fixture(catalogue.variant_matches)["pairs"],
        settings=plain(evaluation_settings, "game"),
        code=code_of_matches(catalogue.variant_matches),
    message:
        "Matches of the ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}"
