"""What training makes of warm starts in whose population reciprocal players have different shares."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.tables import headline, is_scripted


def prior_sweep(matches: Mapping[tuple[str, str, str], Path]) -> pd.DataFrame:
    """Payoffs in self-play and with scripted players, from the matches of each (game, model, share).

    Returns:
        Columns of `tables.fingerprints` for its `PAYOFFS`, and share (of reciprocal players in the warm start's
        population).
    """
    parts = []
    for (game, model, share), path in matches.items():
        frame = read_rows(path)
        agents = frame.loc[~is_scripted(frame, "agent"), "agent"].unique()
        parts += [
            headline(game, model, str(agent), frame).assign(share=float(share)) for agent in agents
        ]
    return pd.concat(parts, ignore_index=True)
