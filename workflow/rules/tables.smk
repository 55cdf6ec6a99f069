rule table_learning_curves:
    input:
        expand(
            "<results>/training/{game}/{model}/{algorithm}/seed-{seed}/metrics.csv",
            game=GAMES,
            model=MODELS,
            algorithm=ALGORITHMS,
            seed=SEEDS,
        ),
    output:
        report(
            "<results>/tables/learning_curves.csv",
            caption="../report/table_learning_curves.rst",
            category="Tables",
            labels={"table": in_words("learning_curves"), "as": "CSV"},
        ),
    log:
        "<logs>/tables/learning_curves.log",
    benchmark:
        "<benchmarks>/tables/learning_curves.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        runs=list(product(GAMES, MODELS, ALGORITHMS, SEEDS)),
        code=code_hash("table_learning_curves.py"),
    message:
        "Table of the learning curves"
    script:
        "../scripts/table_learning_curves.py"


rule table_cross_play:
    input:
        expand(
            "<results>/cross_play/{game}/{model}/matches.parquet",
            game=GAMES,
            model=MODELS,
        ),
    output:
        report(
            "<results>/tables/cross_play.csv",
            caption="../report/table_cross_play.rst",
            category="Tables",
            labels={"table": in_words("cross_play"), "as": "CSV"},
        ),
    log:
        "<logs>/tables/cross_play.log",
    benchmark:
        "<benchmarks>/tables/cross_play.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        sources=list(product(GAMES, MODELS)),
        code=code_hash("table_cross_play.py"),
    message:
        "Table of the payoffs in cross-play"
    script:
        "../scripts/table_cross_play.py"


rule table_fingerprints:
    input:
        expand(
            "<results>/cross_play/{game}/{model}/matches.parquet",
            game=GAMES,
            model=MODELS,
        ),
    output:
        report(
            "<results>/tables/fingerprints.csv",
            caption="../report/table_fingerprints.rst",
            category="Tables",
            labels={"table": in_words("fingerprints"), "as": "CSV"},
        ),
    log:
        "<logs>/tables/fingerprints.log",
    benchmark:
        "<benchmarks>/tables/fingerprints.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        sources=list(product(GAMES, MODELS)),
        code=code_hash("table_fingerprints.py"),
    message:
        "Table of what each agent does after what"
    script:
        "../scripts/table_fingerprints.py"


rule claims:
    input:
        cross_play="<results>/tables/cross_play.csv",
        fingerprints="<results>/tables/fingerprints.csv",
    output:
        table=report(
            "<results>/tables/claims.csv",
            caption="../report/table_claims.rst",
            category="Claims",
            labels={"table": in_words("claims"), "as": "CSV"},
        ),
        text="<results>/tables/claims.txt",
    log:
        "<logs>/tables/claims.log",
    benchmark:
        "<benchmarks>/tables/claims.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        further=False,
        code=code_hash("claims.py", *modules_of(*GAMES)),
    message:
        "The paper's claims, and whether they hold here"
    script:
        "../scripts/claims.py"


use rule claims as all_claims with:
    input:
        "<results>/tables/cross_play.csv",
        "<results>/tables/fingerprints.csv",
        expand(
            "<results>/tables/{table}.csv",
            table=[
                name
                for name in ("exploitability", "ablations", "tournament_by_opponent")
                if name in FURTHER_TABLES
            ],
        ),
    output:
        table=report(
            "<results>/tables/all_claims.csv",
            caption="../report/table_claims.rst",
            category="Claims",
            labels={"table": in_words("all_claims"), "as": "CSV"},
        ),
        text="<results>/tables/all_claims.txt",
    log:
        "<logs>/tables/all_claims.log",
    benchmark:
        "<benchmarks>/tables/all_claims.tsv"
    params:
        further=True,
        code=code_hash("claims.py", *modules_of(*GAMES)),
    message:
        "All of the paper's claims, and whether they hold here"


onsuccess:
    closing_words(workflow)
