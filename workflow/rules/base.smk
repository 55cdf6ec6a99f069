rule build_base_model:
    output:
        directory("<results>/base/{model}"),
    log:
        "<logs>/base/{model}.log",
    benchmark:
        "<benchmarks>/base/{model}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        model=lambda wildcards: named(config["models"], wildcards.model),
        games=wordings(config["games"]),
        code=code_hash("build_base_model.py", *modules_of(*GAMES)),
    message:
        "Base model {wildcards.model}"
    script:
        "../scripts/build_base_model.py"
