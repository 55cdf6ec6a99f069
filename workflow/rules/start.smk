# What happens before the first job and after the last: checks of what a cluster would refuse and of what jobs here need from
# outside, a word for those who watch, and the claims; no rules.


onstart:
    try:
        if workflow.executor_plugin.name == "slurm":
            check_submission(workflow)
        if workflow.nodes is None:  # jobs run here
            parameters = [job.params for job in workflow.dag.needrun_jobs() if job.is_script]
            check_keys(parameters)
            if not USES_CONDA:
                check_vllm(parameters)
    except UserError as error:
        sys.exit(str(error))
    try:
        write_agenda(workflow, log[0], Path(paths.results(CONFIG.scale), AGENDA))
    except OSError as error:
        sys.exit(f"{paths.results(CONFIG.scale)} can't be written: {error.strerror}")
    scale = "config" if CONFIG.scale == "laptop" else CONFIG.scale
    if not imported and (ROOT / "config" / f"{scale}.yaml").is_file():
        print(f"To watch it in a browser: make watch SCALE={CONFIG.scale}", file=sys.stderr)


onsuccess:
    closing_words(workflow)
