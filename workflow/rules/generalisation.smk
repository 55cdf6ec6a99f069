# Trained agents under what they weren't trained on: other words, payoffs, lengths and games; and ordinary English.


use rule play_cross_play as play_variation with:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=adapters_of_matches("generalisation"),
    output:
        f"<results>/{paths.VARIATION}/matches.parquet",
    log:
        f"<logs>/{paths.VARIATION}.log",
    benchmark:
        f"<benchmarks>/{paths.VARIATION}.tsv"
    priority: 0
    resources:
        **needs("generalisation"),
    params:
        **parameters_of_matches("generalisation"),
    message:
        "Matches under the variation {wildcards.variation} of {wildcards.game}, {wildcards.model}"


rule measure_perplexity:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=lambda wildcards: placed(adapters_of(pairings.all_trained(CONFIG, **wildcards))),
    output:
        f"<results>/{paths.PERPLEXITY}/perplexity.csv",
    log:
        f"<logs>/{paths.PERPLEXITY}.log",
    benchmark:
        f"<benchmarks>/{paths.PERPLEXITY}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("perplexity"),
    params:
        game=game_entry,
        agents=lambda wildcards: [
            agent.plain() for agent in pairings.all_trained(CONFIG, **wildcards)
        ],
        code=lambda wildcards: fingerprint(
            "measure_perplexity.py", "evaluation/english.txt", *modules_of([wildcards.game])
        ),
    message:
        "Perplexity of ordinary English in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/measure_perplexity.py"
