"""Files of earlier jobs that are damaged are refused by name."""

from pathlib import Path

import pandas as pd
import pytest

from social_dilemmas.errors import UserError
from social_dilemmas.statistics.files import read_rows

ROWS = pd.DataFrame({"agent": ["naive", "greedy"], "payoff": [1.0, 3.0]})


@pytest.fixture(params=["rows.csv", "rows.parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    if path.suffix == ".csv":
        ROWS.to_csv(path, index=False)
    else:
        ROWS.to_parquet(path, index=False)
    return path


def test_what_was_written_is_read(path: Path) -> None:
    pd.testing.assert_frame_equal(read_rows(path), ROWS)


def test_a_table_without_rows_is_one(tmp_path: Path) -> None:
    ROWS[:0].to_csv(tmp_path / "none.csv", index=False)
    assert list(read_rows(tmp_path / "none.csv").columns) == ["agent", "payoff"]


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.98])
def test_a_damaged_file_is_named(path: Path, kept: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UserError) as error:
        read_rows(path)
    said = str(error.value)
    assert said.startswith(f"{path} is damaged (")
    assert said.endswith(": remove it, and call again, which makes it anew")
    assert "\n" not in said


def test_damage_inside_a_file_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"agent": ["naive", "greedy"] * 500}).to_parquet(path, index=False)
    damaged = bytearray(path.read_bytes())
    damaged[8:24] = bytes(16)
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="is damaged"):
        read_rows(path)


def test_what_can_t_be_read_at_all_isn_t_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_rows(tmp_path / "nothing.csv")
