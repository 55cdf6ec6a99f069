"""Show a run while it is at work, in a browser on this machine: `make watch SCALE=smoke`."""

import argparse
import sys
from pathlib import Path

from social_dilemmas.config import paths
from social_dilemmas.config.load import load_scale
from social_dilemmas.errors import UserError
from social_dilemmas.report.watch.server import server


def main() -> None:
    """Read the command line, and serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="which results; default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=8700, help="first that is tried; default: %(default)s"
    )
    options = parser.parse_args()
    try:
        results = Path(paths.results(load_scale(options.scale).scale))
        with server(results, options.port) as serving:
            print(
                f"Open http://127.0.0.1:{serving.server_port} in a browser; Ctrl+C ends it.",
                flush=True,
            )
            serving.serve_forever()
    except UserError as error:
        sys.exit(str(error))
    except (OSError, OverflowError) as error:
        sys.exit(f"port {options.port} can't be used: {error}")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
