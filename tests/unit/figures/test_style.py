"""The look of figures: notes, colours, and nothing of the user's own settings."""

from pathlib import Path
from typing import Any

from cycler import cycler
from matplotlib import rc_context, rcParams
from tests.unit.figures.drawn import draw, one_game
from tests.unit.figures.experiment import Tables

from social_dilemmas.report.figures import style


def test_a_note_stands_above_a_figure(shown: Tables) -> None:
    figure = draw("distributions", one_game(shown["distributions"]))
    style.add_note(figure, "")
    assert figure.get_suptitle() == ""
    for words in ("Above.", "Settings differ."):
        style.add_note(figure, words)
    assert figure.get_suptitle() == "Above.\nSettings differ."


def test_new_algorithms_get_a_look_of_their_own() -> None:
    agents = ["naive", "another", "yet_another"]
    for looks in (style.colours, style.markers):
        assert len(set(looks(agents).values())) == len(set(looks([]).values())) + 2
        assert looks(agents)["naive"] == looks(["naive"])["naive"]


def test_drawing_leaves_the_settings_of_others_alone(shown: Tables) -> None:
    before = dict(rcParams)
    draw("proposals", shown["proposals"])
    assert dict(rcParams) == before


def test_a_user_s_own_look_changes_no_figure(shown: Tables, tmp_path: Path) -> None:
    taste: Any = {
        "figure.facecolor": "black",
        "text.usetex": True,
        "axes.prop_cycle": cycler(color="r"),
    }
    style.save(draw("proposals", shown["proposals"]), [tmp_path / "first.svg"])
    with rc_context(taste | {"savefig.facecolor": "black", "image.cmap": "gray"}):
        style.save(draw("proposals", shown["proposals"]), [tmp_path / "again.svg"])
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
