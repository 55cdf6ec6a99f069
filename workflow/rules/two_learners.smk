# Two learners at once: adapters of their own, which learn against each other.


rule train_pair:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
    output:
        first=directory(f"<results>/{paths.TWO_LEARNERS}/first/adapter"),
        second=directory(f"<results>/{paths.TWO_LEARNERS}/second/adapter"),
        metrics=f"<results>/{paths.TWO_LEARNERS}/metrics.csv",
        settings=f"<results>/{paths.TWO_LEARNERS}/config.yaml",
    log:
        f"<logs>/{paths.TWO_LEARNERS}.log",
    benchmark:
        f"<benchmarks>/{paths.TWO_LEARNERS}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda wildcards: estimate("two_learners", wildcards).world_size
    resources:
        **needs("two_learners"),
    params:
        game=game_entry,
        settings=settings_of_pair,
        code=code_of_game("train_pair.py"),
    message:
        "Two learners, {wildcards.first} and {wildcards.second}, in {wildcards.game}, {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/train_pair.py"
