# Memory on this machine: what jobs may use together, and what is said where one was killed; no rules.

from social_dilemmas.run.memory import memory_mb

# Not on a cluster, whose nodes have memory of their own; a limit that is given wins: --resources mem_mb=...
if workflow.is_main_process and workflow.nodes is None:
    if workflow.global_resources.get("mem_mb").value is None:
        workflow.register_resource("mem_mb", round(0.9 * memory_mb()))


onerror:
    if "died with <Signals.SIGKILL" in Path(log[0]).read_text():
        print(
            "A job was killed from outside (SIGKILL), as machines do whose memory runs out: leave jobs less memory together, "
            "such as --resources mem_mb=4000, and call it again; trainings go on from their last checkpoints.",
            file=sys.stderr,
        )
