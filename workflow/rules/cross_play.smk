rule play_cross_play:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=adapters_of_matches("cross_play"),
    output:
        f"<results>/{paths.CROSS_PLAY}/matches.parquet",
    log:
        f"<logs>/{paths.CROSS_PLAY}.log",
    benchmark:
        f"<benchmarks>/{paths.CROSS_PLAY}.tsv"
    priority: longer_first(200)
    conda:
        environment_of_sampler
    threads: 1
    resources:
        **needs("cross_play"),
    params:
        **parameters_of_matches("cross_play"),
    message:
        "Cross-play in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/play_matches.py"


use rule play_cross_play as play_further_cross_play with:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=adapters_of_matches("further_cross_play"),
    output:
        f"<results>/{paths.FURTHER_CROSS_PLAY}/matches.parquet",
    log:
        f"<logs>/{paths.FURTHER_CROSS_PLAY}.log",
    benchmark:
        f"<benchmarks>/{paths.FURTHER_CROSS_PLAY}.tsv"
    resources:
        **needs("further_cross_play"),
    params:
        **parameters_of_matches("further_cross_play"),
    message:
        "Cross-play of the further seeds in {wildcards.game}, {wildcards.model}"
