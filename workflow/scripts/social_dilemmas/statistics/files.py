"""Reading what earlier jobs have written."""

from pathlib import Path

import pandas as pd

from social_dilemmas.errors import UserError


def read_rows(path: Path | str) -> pd.DataFrame:
    """The rows of a CSV or parquet file; raises UserError, which names the file, if it is damaged or not whole."""
    path = Path(path)
    try:
        if path.suffix != ".csv":
            return pd.read_parquet(path)
        if not path.read_bytes().endswith(b"\n"):
            raise ValueError("its last line isn't whole")
        return pd.read_csv(path)
    except (
        ValueError,
        OSError,
    ) as error:  # pyarrow's of damage inside a file are OSErrors without a number
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} is damaged ({reason}): remove it, and call again, which makes it anew"
        ) from error
