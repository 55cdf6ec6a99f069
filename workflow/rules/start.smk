# What happens before the first job: checks of what a cluster would refuse, and a word for those who watch; no rules.


onstart:
    if workflow.executor_plugin.name == "slurm":
        try:
            check_submission(workflow)
        except UserError as error:
            sys.exit(str(error))
    write_agenda(workflow, log[0], Path(paths.results(CONFIG.scale), AGENDA))
    if (
        ROOT / "config" / f"{CONFIG.scale.replace('laptop', 'config')}.yaml"
    ).is_file() and not imported:
        print(f"To watch it in a browser: make watch SCALE={CONFIG.scale}", file=sys.stderr)
