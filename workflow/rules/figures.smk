# Every figure has a rule of its own name: `snakemake fig_cross_play`, or `snakemake -f fig_cross_play` to redraw it.


for figure in [catalogue.FIRST, *FIGURES, *FURTHER_FIGURES]:

    rule:
        name:
            f"fig_{figure}"
        input:
            expand("<results>/tables/{table}.csv", table=catalogue.FIGURES[figure].tables),
        output:
            report(
                f"<results>/figures/{figure}.png",
                caption=caption(f"fig_{figure}"),
                category="Figures",
                labels={"figure": in_words(figure)},
            ),
            multiext(f"<results>/figures/{figure}", ".pdf", ".svg"),
            numbers=f"<results>/figures/{figure}.csv",
        log:
            f"<logs>/figures/{figure}.log",
        benchmark:
            f"<benchmarks>/figures/{figure}.tsv"
        group:
            SMALL_JOBS
        conda:
            "../../envs/plot.yaml"
        resources:
            **needs("figure"),
        params:
            figure=catalogue.FIGURES[figure].module,
            arguments=catalogue.FIGURES[figure].arguments,
            note=settings_note(DIFFERING),
            titles=TITLES,
            code=fingerprint(
                "draw_figure.py", *catalogue.FIGURES[figure].modules, *modules_of(GAMES)
            ),
        message:
            f"Figure: {in_words(figure).lower()}"
        script:
            "../scripts/draw_figure.py"
