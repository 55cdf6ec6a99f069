"""Which files a job finds by name at run time, beside those that its script imports."""

from collections.abc import Iterable

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.scripted.player import players_module
from social_dilemmas.games import kind_named


def modules_of(
    games: Iterable[str], agents: Iterable[Agent] = (), sampler: str = "trainer"
) -> list[str]:
    """Its games, its kinds of agents and its inference server, as paths below the library."""
    kinds = [kind_named(game) for game in games]
    files = {"agents/scripted/player.py", *(f"games/{kind}.py" for kind in kinds)}
    files |= {f"agents/scripted/{name}.py" for kind in kinds if (name := players_module(kind))}
    files |= {f"agents/{agent.kind}/player.py" for agent in agents if not agent.on_model}
    if "agents/axelrod/player.py" in files:
        files.add("agents/axelrod/strategies.txt")
    if sampler == "vllm":
        files |= {f"backends/vllm/{name}.py" for name in ("agents", "masks", "sampler")}
    return sorted(files)
