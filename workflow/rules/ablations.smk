# Ablations: one thing of the method left out or done differently.


use rule train as train_variant with:
    input:
        model=lambda wildcards: f"<results>/{catalogue.variant_start(CONFIG, wildcards.variant)}",
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
        "Ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"


use rule play_cross_play as play_variant with:
    input:
        model=lambda wildcards: f"<results>/{catalogue.variant_start(CONFIG, wildcards.variant)}",
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
        "Matches of the ablation {wildcards.variant} in {wildcards.game}, {wildcards.model}"
