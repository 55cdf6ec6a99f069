# What happens before the first job: checks of what a cluster would refuse, and a word for those who watch; no rules.


onstart:
    if workflow.executor_plugin.name == "slurm":
        try:
            check_submission(workflow)
        except UserError as error:
            sys.exit(str(error))
    write_agenda(workflow, log[0], Path(paths.results(CONFIG.scale), AGENDA))
    scale = "config" if CONFIG.scale == "laptop" else CONFIG.scale
    if not imported and (ROOT / "config" / f"{scale}.yaml").is_file():
        print(f"To watch it in a browser: make watch SCALE={CONFIG.scale}", file=sys.stderr)
