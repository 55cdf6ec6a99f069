"""The tables of the experiment, and those that figures show."""

import pytest
from tests.unit.figures.drawn import DRAWN, module_of
from tests.unit.figures.experiment import GAMES, Tables, declared, experiment

from social_dilemmas.games import declare


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of the experiment."""
    declare(map(declared, GAMES))
    return experiment(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="module", autouse=True)
def games_of_the_experiment(games_of_other_files_forgotten: None) -> None:
    declare(map(declared, GAMES))


@pytest.fixture(scope="session")
def shown(made: Tables) -> Tables:
    """The table of every figure."""
    return {
        name: module_of(name).table(*map(made.__getitem__, entry.tables), **entry.arguments)
        for name, entry in DRAWN.items()
    }
