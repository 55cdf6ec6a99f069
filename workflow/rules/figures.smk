# Every figure has a rule of its own name: `snakemake fig_cross_play`, or `snakemake -f fig_cross_play` to redraw it.


rule fig_learning_curves:
    input:
        "<results>/tables/learning_curves.csv",
    output:
        report(
            "<results>/figures/learning_curves.png",
            caption="../report/fig_learning_curves.rst",
            category="Figures",
        ),
        multiext("<results>/figures/learning_curves", ".pdf", ".svg"),
        numbers="<results>/figures/learning_curves.csv",
    log:
        "<logs>/figures/learning_curves.log",
    benchmark:
        "<benchmarks>/figures/learning_curves.tsv"
    conda:
        "../../envs/plot.yaml"
    params:
        figure="learning_curves",
        arguments={"games": [game_entry(game) for game in GAMES]},
        code=code_of_figure("learning_curves"),
    message:
        "Figure: learning curves"
    script:
        "../scripts/draw_figure.py"


use rule fig_learning_curves as fig_cross_play with:
    input:
        "<results>/tables/cross_play.csv",
    output:
        report(
            "<results>/figures/cross_play.png",
            caption="../report/fig_cross_play.rst",
            category="Figures",
        ),
        multiext("<results>/figures/cross_play", ".pdf", ".svg"),
        numbers="<results>/figures/cross_play.csv",
    log:
        "<logs>/figures/cross_play.log",
    benchmark:
        "<benchmarks>/figures/cross_play.tsv"
    params:
        figure="cross_play",
        arguments={},
        code=code_of_figure("cross_play"),
    message:
        "Figure: payoffs of every agent with every other"


use rule fig_learning_curves as fig_fingerprints with:
    input:
        "<results>/tables/fingerprints.csv",
    output:
        report(
            "<results>/figures/fingerprints.png",
            caption="../report/fig_fingerprints.rst",
            category="Figures",
        ),
        multiext("<results>/figures/fingerprints", ".pdf", ".svg"),
        numbers="<results>/figures/fingerprints.csv",
    log:
        "<logs>/figures/fingerprints.log",
    benchmark:
        "<benchmarks>/figures/fingerprints.tsv"
    params:
        figure="fingerprints",
        arguments={},
        code=code_of_figure("fingerprints"),
    message:
        "Figure: what each agent does after what"


use rule fig_learning_curves as fig_proposals with:
    input:
        "<results>/tables/fingerprints.csv",
    output:
        report(
            "<results>/figures/proposals.png",
            caption="../report/fig_proposals.rst",
            category="Figures",
        ),
        multiext("<results>/figures/proposals", ".pdf", ".svg"),
        numbers="<results>/figures/proposals.csv",
    log:
        "<logs>/figures/proposals.log",
    benchmark:
        "<benchmarks>/figures/proposals.tsv"
    params:
        figure="proposals",
        arguments={},
        code=code_of_figure("proposals"),
    message:
        "Figure: proposals in Trust-and-Split by hand and last treatment"


use rule fig_learning_curves as fig_truthfulness with:
    input:
        "<results>/tables/learning_curves.csv",
        "<results>/tables/fingerprints.csv",
    output:
        report(
            "<results>/figures/truthfulness.png",
            caption="../report/fig_truthfulness.rst",
            category="Figures",
        ),
        multiext("<results>/figures/truthfulness", ".pdf", ".svg"),
        numbers="<results>/figures/truthfulness.csv",
    log:
        "<logs>/figures/truthfulness.log",
    benchmark:
        "<benchmarks>/figures/truthfulness.tsv"
    params:
        figure="truthfulness",
        arguments={},
        code=code_of_figure("truthfulness"),
    message:
        "Figure: truthfulness of messages in Trust-and-Split"
