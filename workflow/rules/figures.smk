# Every figure has a rule of its own name: `snakemake fig_cross_play`, or `snakemake -f fig_cross_play` to redraw it.

GAME_ENTRIES = [game_entry(game) for game in GAMES]
DRAWN_FROM = {  # figure: the tables that it needs, and further arguments of its `table` function
    "learning_curves": (["learning_curves"], {"games": GAME_ENTRIES}),
    "naive_learning_curves": (["learning_curves"], {"games": GAME_ENTRIES}),
    "cross_play": (["cross_play"], {}),
    "fingerprints": (["fingerprints"], {}),
    "proposals": (["fingerprints"], {}),
    "truthfulness": (["learning_curves", "fingerprints"], {}),
    "invalid_replies": (["learning_curves"], {}),
    "learning_against_fixed": (["learning_against_fixed"], {}),
    "learning_against_alignment": (
        ["learning_against_fixed"],
        {"opponents": ["advantage_alignment"]},
    ),
    "exploitability": (["exploitability"], {}),
    "ablations": (["ablations"], {}),
    "tournament": (["tournament", "tournament_by_opponent"], {}),
}
MODULE_OF = {"learning_against_alignment": "learning_against_fixed"}  # else the figure's own name


for figure in FIGURES + FURTHER_FIGURES:

    rule:
        name:
            f"fig_{figure}"
        input:
            expand("<results>/tables/{table}.csv", table=DRAWN_FROM[figure][0]),
        output:
            report(
                f"<results>/figures/{figure}.png",
                caption=f"../report/fig_{figure}.rst",
                category="Figures",
                labels={"figure": in_words(figure)},
            ),
            multiext(f"<results>/figures/{figure}", ".pdf", ".svg"),
            numbers=f"<results>/figures/{figure}.csv",
        log:
            f"<logs>/figures/{figure}.log",
        benchmark:
            f"<benchmarks>/figures/{figure}.tsv"
        conda:
            "../../envs/plot.yaml"
        resources:
            **needs("figure"),
        params:
            figure=MODULE_OF.get(figure, figure),
            arguments=DRAWN_FROM[figure][1],
            code=code_of_figure(MODULE_OF.get(figure, figure)),
        message:
            f"Figure: {in_words(figure).lower()}"
        script:
            "../scripts/draw_figure.py"
