# What is checked before jobs are submitted to a cluster; no rules.


onstart:
    check_submission(workflow)
