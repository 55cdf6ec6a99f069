# Every table has a rule of its own name: `snakemake table_cross_play`.


for table in [catalogue.FIRST, *TABLES, *FURTHER_TABLES]:

    rule:
        name:
            f"table_{table}"
        input:
            **{argument: list(files.values()) for argument, files in inputs_of_table(table).items()},
        output:
            **({"text": f"<results>/tables/{table}.txt"} if catalogue.TABLES[table].text else {}),
            table=report(
                f"<results>/tables/{table}.csv",
                caption=caption(f"table_{table}"),
                category=category_of_table(table),
                labels={"table": in_words(table), "as": "CSV"},
            ),
        log:
            f"<logs>/tables/{table}.log",
        benchmark:
            f"<benchmarks>/tables/{table}.tsv"
        group:
            SMALL_JOBS
        conda:
            "../../envs/plot.yaml"
        resources:
            **needs("table"),
        params:
            function=catalogue.TABLES[table].function,
            text=catalogue.TABLES[table].text,
            differing=DIFFERING,
            titles=TITLES if catalogue.TABLES[table].text else {},
            inputs={argument: list(files) for argument, files in inputs_of_table(table).items()},
            code=fingerprint("make_table.py", *catalogue.TABLES[table].modules, *modules_of(GAMES)),
        message:
            f"Table: {in_words(table).lower()}"
        script:
            "../scripts/make_table.py"
