# Every table has a rule of its own name: `snakemake table_cross_play`.

RUNS = list(product(GAMES, MODELS, ALGORITHMS, SEEDS))
LEARNERS = [
    (game, model, *run) for game, model in product(LEARNER_GAMES, MODELS) for run in learners(game)
]
ABLATED = list(product(config["ablations"]["games"], MODELS, [config["ablations"]["algorithm"]]))
VARIED = [(game, model, variant) for game, variant in ABLATIONS for model in MODELS]
PLACES = {  # kind of file: where such files lie, and the keys of all of them
    "training_metrics": ("training/{}/{}/{}/seed-{}/metrics.csv", RUNS),
    "cross_play_matches": ("cross_play/{}/{}/matches.parquet", product(GAMES, MODELS)),
    "learner_metrics": ("exploitability/{}/{}/{}/against-{}/seed-{}/metrics.csv", LEARNERS),
    "learner_matches": ("exploitability/{}/{}/matches.parquet", product(LEARNER_GAMES, MODELS)),
    "ablated_matches": ("cross_play/{}/{}/matches.parquet", ABLATED),
    "variant_matches": ("ablations/{}/{}/{}/matches.parquet", VARIED),
    "tournament_matches": ("tournament/{}/{}/matches.parquet", product(TOURNAMENTS, MODELS)),
    "strategy_matches": ("tournament/{}/strategies.parquet", TOURNAMENTS),
    "strategy_kinds": ("tournament/{}/kinds.csv", TOURNAMENTS),
}
FILES = {  # kind of file: the files by their keys
    kind: {
        key: f"<results>/{path.format(*([key] if isinstance(key, str) else key))}" for key in keys
    }
    for kind, (path, keys) in PLACES.items()
}


for table in TABLES + FURTHER_TABLES:

    rule:
        name:
            f"table_{table}"
        input:
            **{
                argument: list(files.values())
                for argument, files in inputs_of_table(catalogue.TABLES[table]).items()
            },
        output:
            **({"text": f"<results>/tables/{table}.txt"} if catalogue.TABLES[table].text else {}),
            table=report(
                f"<results>/tables/{table}.csv",
                caption=f"../report/table_{table}.rst",
                category=category_of_table(table),
                labels={"table": in_words(table), "as": "CSV"},
            ),
        log:
            f"<logs>/tables/{table}.log",
        benchmark:
            f"<benchmarks>/tables/{table}.tsv"
        conda:
            "../../envs/plot.yaml"
        resources:
            **needs("table"),
        params:
            function=catalogue.TABLES[table].function,
            text=catalogue.TABLES[table].text,
            inputs={
                argument: list(files)
                for argument, files in inputs_of_table(catalogue.TABLES[table]).items()
            },
            code=code_hash("make_table.py", *catalogue.TABLES[table].modules, *modules_of(*GAMES)),
        message:
            f"Table: {in_words(table).lower()}"
        script:
            "../scripts/make_table.py"


onsuccess:
    closing_words(workflow)
