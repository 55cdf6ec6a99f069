rule warm_start_model:
    input:
        f"<results>/{paths.BASE}",
    output:
        model=directory(f"<results>/{paths.WARM_STARTED}"),
        metrics=f"<results>/{paths.WARM_START}/metrics.csv",
        behaviour=f"<results>/{paths.WARM_START}/behaviour.csv",
    log:
        f"<logs>/{paths.WARM_START}.log",
    benchmark:
        f"<benchmarks>/{paths.WARM_START}.tsv"
    priority: longer_first(100)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("warm_start"),
    params:
        game=game_entry,
        settings=lambda wildcards: warm_start_settings(CONFIG, wildcards.game).plain(),
        code=code_of_game("warm_start_model.py"),
    message:
        "Warm start of {wildcards.model} in {wildcards.game}"
    script:
        "../scripts/warm_start_model.py"


rule clone_player:
    input:
        f"<results>/{paths.WARM_STARTED}",
    output:
        adapter=directory(f"<results>/{paths.CLONE}/adapter"),
        metrics=f"<results>/{paths.CLONE}/metrics.csv",
    log:
        f"<logs>/{paths.CLONE}.log",
    benchmark:
        f"<benchmarks>/{paths.CLONE}.tsv"
    priority: longer_first(50)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        **needs("clone"),
    params:
        game=game_entry,
        settings=lambda wildcards: clone_settings(CONFIG, wildcards.game).plain(),
        code=code_of_game("clone_player.py"),
    message:
        "Clone of a scripted player in {wildcards.game}, {wildcards.model}"
    script:
        "../scripts/clone_player.py"
