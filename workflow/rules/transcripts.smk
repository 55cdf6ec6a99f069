# Matches to be read: chosen pairs of agents in every game, as files and as pages.


rule play_transcripts:
    input:
        model="<results>/warm_start/{game}/{model}/model",
        adapters=lambda wildcards: [
            adapter for _, _, adapter in transcript_agents(wildcards) if adapter
        ],
    output:
        "<results>/transcripts/{game}/{model}/{pairing}.json",
    log:
        "<logs>/transcripts/{game}/{model}/{pairing}.log",
    benchmark:
        "<benchmarks>/transcripts/{game}/{model}/{pairing}.tsv"
    wildcard_constraints:
        pairing="[^/]+",
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("transcripts", "game", "model"),
    params:
        game=lambda wildcards: game_entry(wildcards.game),
        agents=transcript_agents,
        settings=lambda wildcards: transcript_job(wildcards.game),
        code=code_of_game("transcripts.py"),
    message:
        "Transcripts of {wildcards.pairing} in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/transcripts.py"


rule show_transcript:
    input:
        "<results>/transcripts/{game}/{model}/{pairing}.json",
    output:
        report(
            "<results>/transcripts/{game}/{model}/{pairing}.html",
            caption="../report/transcript.rst",
            category="Transcripts",
            subcategory=lambda wildcards: game_title(wildcards.game),
            labels=transcript_labels,
        ),
    log:
        "<logs>/transcripts/{game}/{model}/{pairing}.page.log",
    benchmark:
        "<benchmarks>/transcripts/{game}/{model}/{pairing}.page.tsv"
    wildcard_constraints:
        pairing="[^/]+",
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        code=code_of_page("show_transcript.py"),
    message:
        "Page of {wildcards.pairing} in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/show_transcript.py"


rule list_transcripts:
    input:
        transcripts=transcript_files("json"),
        pages=transcript_files("html"),
    output:
        "<results>/transcripts/index.html",
    log:
        "<logs>/transcripts/index.log",
    benchmark:
        "<benchmarks>/transcripts/index.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        **needs("table"),
    params:
        code=code_of_page("list_transcripts.py"),
    message:
        "List of all transcripts"
    script:
        "../scripts/list_transcripts.py"
