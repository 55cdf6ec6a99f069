# Matches to be read: chosen pairs of agents in every game, as files and as pages.


rule play_transcripts:
    input:
        model=f"<results>/{paths.WARM_STARTED}",
        adapters=lambda wildcards: placed(adapters_of(agents_of_transcript(wildcards))),
    output:
        f"<results>/{paths.TRANSCRIPT}.json",
    log:
        f"<logs>/{paths.TRANSCRIPT}.log",
    benchmark:
        f"<benchmarks>/{paths.TRANSCRIPT}.tsv"
    conda:
        environment_of_sampler
    threads: 1
    resources:
        **needs("transcripts"),
    params:
        game=game_entry,
        agents=lambda wildcards: [agent.plain() for agent in agents_of_transcript(wildcards)],
        settings=lambda wildcards: transcript_settings(CONFIG, wildcards.game).plain(),
        code=code_of_transcript,
    message:
        "Transcripts of {wildcards.pair} in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/play_transcripts.py"


rule show_transcript:
    input:
        f"<results>/{paths.TRANSCRIPT}.json",
    output:
        report(
            f"<results>/{paths.TRANSCRIPT}.html",
            caption="../report/transcript.rst",
            category="Transcripts",
            subcategory=lambda wildcards: game_title(wildcards.game),
            labels=labels_of_transcript,
        ),
    log:
        f"<logs>/{paths.TRANSCRIPT}.page.log",
    benchmark:
        f"<benchmarks>/{paths.TRANSCRIPT}.page.tsv"
    group:
        SMALL_JOBS
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        titles=TITLES,
        code=code_of_page("show_transcript.py"),
    message:
        "Page of {wildcards.pair} in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/show_transcript.py"


rule list_transcripts:
    input:
        transcripts=expand("<results>/{path}.json", path=TRANSCRIPTS),
        pages=expand("<results>/{path}.html", path=TRANSCRIPTS),
    output:
        "<results>/transcripts/index.html",
    log:
        "<logs>/transcripts/index.log",
    benchmark:
        "<benchmarks>/transcripts/index.tsv"
    group:
        SMALL_JOBS
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        titles=TITLES,
        code=code_of_page("list_transcripts.py"),
    message:
        "List of all transcripts"
    script:
        "../scripts/list_transcripts.py"
