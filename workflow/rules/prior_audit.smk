# What a model does in matrix games before any training; forward passes only.


rule audit_prior:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
    output:
        f"<results>/{paths.PRIOR_AUDIT}/probabilities.csv",
    log:
        f"<logs>/{paths.PRIOR_AUDIT}.log",
    benchmark:
        f"<benchmarks>/{paths.PRIOR_AUDIT}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("prior_audit"),
    params:
        game=game_entry,
        tellings=lambda wildcards: contents.tellings(CONFIG, **wildcards),
        code=code_of_game("audit_prior.py"),
    message:
        "Audit of the prior in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/audit_prior.py"
