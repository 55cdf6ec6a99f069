# What the report holds beside figures and transcripts: tables to be read, and what the run was made with.


for table in TABLES + FURTHER_TABLES:

    rule:
        name:
            f"print_{table}"
        input:
            f"<results>/tables/{table}.csv",
        output:
            page=report(
                f"<results>/tables/{table}.html",
                caption=caption(f"table_{table}"),
                category=category_of_table(table),
                labels={"table": in_words(table), "as": "a page"},
            ),
            latex=report(
                f"<results>/tables/{table}.tex",
                caption=caption(f"table_{table}"),
                category=category_of_table(table),
                labels={"table": in_words(table), "as": "LaTeX"},
            ),
        log:
            f"<logs>/tables/{table}.page.log",
        benchmark:
            f"<benchmarks>/tables/{table}.page.tsv"
        group:
            SMALL_JOBS
        conda:
            "../../envs/plot.yaml"
        resources:
            **needs("table"),
        params:
            table=table,
            titles=TITLES,
            code=code_of_page("print_table.py"),
        message:
            f"Table as a page and in LaTeX: {in_words(table)}"
        script:
            "../scripts/print_table.py"


rule describe_run:
    output:
        page=report(
            "<results>/run.html",
            caption="../report/run.rst",
            category="Versions and settings",
            labels={"what": "Configuration and versions", "as": "a page"},
        ),
        settings=report(
            "<results>/config.yaml",
            caption="../report/run.rst",
            category="Versions and settings",
            labels={"what": "Configuration", "as": "YAML"},
        ),
        versions=report(
            "<results>/versions.csv",
            caption="../report/run.rst",
            category="Versions and settings",
            labels={"what": "Versions", "as": "CSV"},
        ),
    log:
        "<logs>/describe_run.log",
    benchmark:
        "<benchmarks>/describe_run.tsv"
    group:
        SMALL_JOBS
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        config=completed(CONFIG),
        code=code_of_page("describe_run.py"),
    message:
        "Configuration and versions of this run"
    script:
        "../scripts/describe_run.py"
