rule build_base_model:
    output:
        directory(f"<results>/{paths.BASE}"),
    log:
        f"<logs>/{paths.BASE}.log",
    benchmark:
        f"<benchmarks>/{paths.BASE}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        **needs("base"),
    params:
        model=lambda wildcards: CONFIG.model(wildcards.model).plain(without="shape"),
        games=wordings([game.entry for game in CONFIG.games]),
        code=fingerprint("build_base_model.py", *modules_of(GAMES)),
    message:
        "Base model {wildcards.model}"
    script:
        "../scripts/build_base_model.py"
