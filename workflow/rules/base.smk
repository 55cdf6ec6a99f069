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
        **needs("base", "model"),
    params:
        model=model_entry,
        games=wordings(config["games"]),
        code=code_hash("build_base_model.py", *modules_of(*GAMES)),
    message:
        "Base model {wildcards.model}"
    script:
        "../scripts/build_base_model.py"
