"""Start a vLLM server that jobs of the evaluation share: `make serve SCALE=workstation GAME=split MODEL=qwen25_05b`."""

import argparse
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from social_dilemmas.config import contents, paths, trainings
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.settings import evaluation_settings, variation_entry, variations
from social_dilemmas.errors import UserError

MOST = 64  # adapters that the server holds ready; it reads others again when they are asked for


def main() -> None:
    """Read the command line, and serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="config; default: %(default)s")
    parser.add_argument("--game", required=True, help="game that the model plays")
    parser.add_argument("--model", required=True, help="the model's name in the config")
    parser.add_argument("--folder", help="the model's directory; default: that of its warm start")
    parser.add_argument("--host", default="127.0.0.1", help="address; default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(load_scale(options.scale), options)
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def serve(config: Config, options: argparse.Namespace) -> None:
    """Start the server, say how to use it, and wait; UserError if it can't be started, or when it ends by itself."""
    game, model = options.game, options.model
    for what, name in (("game", game), ("model", model)):
        known = getattr(contents, f"{what}s")(config)
        if name not in known:
            raise UserError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    from social_dilemmas.backends.vllm.shared import KEY, serving
    from social_dilemmas.policy.model import load_model

    results = Path(paths.results(config.scale))
    start = results / paths.WARM_STARTED.format(game=game, model=model)
    key = os.environ.get(KEY) or secrets.token_hex(16)
    ranks = trainings.ranks(config)[game, model]
    with serving(
        load_model(Path(options.folder or start), "cpu"),
        entries(config, game),
        evaluation_settings(config, game).vllm,
        results / "logs" / f"vllm-{options.port}",
        address=(options.host, options.port),
        key=key,
        adapters=min(len(ranks), MOST),
        rank=max(ranks),
    ) as server:
        address = server.client.base_url
        print(
            f"Serving until Ctrl-C. Jobs need {KEY}={key} in their environment and, in the configuration,"
        )
        print(f"evaluation: {{sampler: vllm, vllm: {{base_urls: [{address}]}}}}", flush=True)
        while server.running:
            time.sleep(1)
        raise UserError(f"{server.name} has ended{server.see}")


def entries(config: Config, game: str) -> list[dict[str, Any]]:
    """How a game is played, as it is trained and under its variations."""
    varied = [variation_entry(config, game, each.name) for each in variations(config, game)]
    return [config.game(game).entry, *varied]


if __name__ == "__main__":
    main()
