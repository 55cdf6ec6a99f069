"""Folders to be set up."""

from pathlib import Path

import pytest
from tests.unit.set_up.equipment import Folder, equip


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "a-folder")


@pytest.fixture
def equipped(folder: Folder) -> Folder:
    return equip(folder)
