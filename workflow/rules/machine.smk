# What jobs on this machine may use together, memory and GPUs, and what is said where one was killed; no rules.

import os

from social_dilemmas.run.gpus import SHARED, listed
from social_dilemmas.run.memory import memory_mb

# Not on a cluster, whose nodes have resources of their own; a limit that is given wins: --resources mem_mb=...
if workflow.is_main_process and workflow.nodes is None:
    gpus = listed()
    os.environ[SHARED] = ",".join(gpus)  # jobs inherit it
    trained = [agent.settings for agent in AGENTS]
    trained += [pair_settings(CONFIG, game, pair)[0] for game, *pair in contents.paired(CONFIG)]
    largest = max((settings.world_size for settings in trained), default=1)
    for name, there in (("mem_mb", round(0.9 * memory_mb())), ("gpu", max(largest, len(gpus)))):
        if workflow.global_resources.get(name).value is None:
            workflow.register_resource(name, there)


onerror:
    if "died with <Signals.SIGKILL" in Path(log[0]).read_text():
        print(
            "A job was killed from outside (SIGKILL), as machines do whose memory runs out: leave jobs less memory together, "
            "such as --resources mem_mb=4000, and call it again; trainings go on from their last checkpoints.",
            file=sys.stderr,
        )
