# Ablations: one thing of the method left out or done differently. Rivals: other ways to cooperation.


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
    threads: lambda wildcards: estimate("variant", wildcards).world_size
    resources:
        **needs("variant"),
    params:
        **parameters_of_training("variant"),
    message:
        "Training {wildcards.variant} ({wildcards.section}) in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"


use rule play_cross_play as play_variant with:
    input:
        model=start_of_variant,
        adapters=adapters_of_matches("variant_matches"),
    output:
        f"<results>/{paths.VARIANT_MATCHES}/matches.parquet",
    log:
        f"<logs>/{paths.VARIANT_MATCHES}.log",
    benchmark:
        f"<benchmarks>/{paths.VARIANT_MATCHES}.tsv"
    resources:
        **needs("variant_matches"),
    params:
        **parameters_of_matches("variant_matches"),
    message:
        "Matches of {wildcards.variant} ({wildcards.section}) in {wildcards.game}, {wildcards.model}"
