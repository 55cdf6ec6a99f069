# What is checked before jobs are submitted to a cluster; no rules.


onstart:
    if workflow.executor_plugin.name == "slurm":
        try:
            check_submission(workflow)
        except UserError as error:
            sys.exit(str(error))
