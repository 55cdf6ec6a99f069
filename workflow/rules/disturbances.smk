# Does cooperation outlive a slip of the hand, and does it live on what messages say?


rule play_disturbed:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=adapters_of_matches("disturbances"),
    output:
        f"<results>/{paths.DISTURBANCES}/matches.parquet",
    log:
        f"<logs>/{paths.DISTURBANCES}.log",
    benchmark:
        f"<benchmarks>/{paths.DISTURBANCES}.tsv"
    conda:
        environment_of_sampler
    threads: 1
    resources:
        **needs("disturbances"),
    params:
        **parameters_of_matches("disturbances", "play_disturbed.py"),
    message:
        "Slips and lost messages in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/play_disturbed.py"
