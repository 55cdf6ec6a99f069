"""Reading what earlier jobs have written."""

from io import BytesIO
from pathlib import Path

import pandas as pd

from social_dilemmas.errors import UserError


def read_rows(path: Path | str) -> pd.DataFrame:
    """The rows of a CSV or parquet file; raises UserError, which names the file, if it is damaged or not whole."""
    path = Path(path)
    try:
        if path.suffix != ".csv":
            return pd.read_parquet(path)
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            raise ValueError("its last line isn't whole")
        return pd.read_csv(BytesIO(content))
    except (ValueError, OSError) as error:
        # Damage inside a parquet file is an OSError without a number; one with a number is no damage.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} is damaged ({reason}): remove it, and call again, which makes it anew"
        ) from error
