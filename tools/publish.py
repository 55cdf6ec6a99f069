"""Prepare a scale's results for others: `make publish`. Nothing is uploaded."""

import argparse
import os
import sys
from pathlib import Path

from social_dilemmas.config import paths
from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.errors import UserError
from social_dilemmas.report.publishing.agents import finished_agents

NEXT = """\
{folder}: {count} adapters, {size:.1f} MB
To check it:                  (cd {folder} && sha256sum --check --quiet SHA256SUMS)
To the Hugging Face hub:      hf auth login && hf upload USER/NAME {folder} .
As one file, for Zenodo:      (cd {folder} && zip -r ../{scale}.zip .), then https://zenodo.org/uploads/new"""


def main() -> None:
    """Read the command line, and fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="which results; default: %(default)s")
    options = parser.parse_args()
    os.environ.update(TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
    try:
        config = load_scale(options.scale)
        results = Path(paths.results(config.scale))
        finished_agents(config, results)  # says what is missing before heavy libraries are loaded
        from social_dilemmas.report.publishing.folder import publish

        folder = results / "publish"
        adapters = publish(config, results, REPOSITORY / "LICENSE", folder)
    except UserError as error:
        sys.exit(str(error))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    print(NEXT.format(folder=folder, count=len(adapters), size=size, scale=config.scale))


if __name__ == "__main__":
    main()
