rule build_base_model:
    output:
        directory(f"<results>/{paths.BASE}"),
    log:
        f"<logs>/{paths.BASE}.log",
    benchmark:
        f"<benchmarks>/{paths.BASE}.tsv"
    conda:
        environment_of_base
    resources:
        **needs("base"),
    params:
        model=lambda wildcards: CONFIG.model(wildcards.model).made_from(),
        games=lambda wildcards: wordings([game.entry for game in games_told_to(wildcards)]),
        code=lambda wildcards: fingerprint(
            "build_base_model.py", *modules_of([game.name for game in games_told_to(wildcards)])
        ),
    message:
        "Base model {wildcards.model}"
    script:
        "../scripts/build_base_model.py"
