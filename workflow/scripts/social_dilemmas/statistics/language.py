"""Tables about a model outside of its matches: what it does before training, and what of its English is left."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from social_dilemmas.agents.agent import WARM_START
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.tables import Source


def prior_audit(measured: Mapping[Source, Path]) -> pd.DataFrame:
    """Columns model, game, and those of `evaluation.prior_audit`, from the file of each (game, model)."""
    return _together(measured)


def perplexity(measured: Mapping[Source, Path]) -> pd.DataFrame:
    """The perplexity of the same text under every agent, from the file of each (game, model).

    Columns model, game, agent, seed, tokens, perplexity, and ratio (to that of the warm start).
    """
    table = _together(measured)
    before = table[table["agent"] == WARM_START].set_index(["model", "game"])["perplexity"]
    places = pd.MultiIndex.from_frame(table[["model", "game"]])
    return table.assign(ratio=table["perplexity"] / before.loc[places].to_numpy())


def _together(measured: Mapping[Source, Path]) -> pd.DataFrame:
    parts = []
    for (game, model), path in measured.items():
        frame = read_rows(path)
        frame.insert(0, "model", model)
        frame.insert(1, "game", game)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)
