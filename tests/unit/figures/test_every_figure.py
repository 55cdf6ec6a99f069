"""What holds of every figure: the same bytes again, readable text, a panel for each model."""

from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tests.unit.figures.drawn import DRAWN, draw, one_game, texts_of, titles, words
from tests.unit.figures.experiment import GAMES, Tables

from social_dilemmas.report.figures import style
from social_dilemmas.report.names import game_title


@pytest.mark.parametrize("name", DRAWN)
def test_saving_again_gives_the_same_bytes(name: str, shown: Tables, tmp_path: Path) -> None:
    """Also from the numbers that stand beside the figure, read from their file."""
    numbers = one_game(shown[name])
    numbers.to_csv(tmp_path / "numbers.csv", index=False)
    again = pd.read_csv(tmp_path / "numbers.csv")
    suffixes = (".pdf", ".svg", ".png") if name == "proposals" else (".svg",)
    for folder, table in (("first", numbers), ("again", again)):
        (tmp_path / folder).mkdir()
        outputs = [tmp_path / folder / f"{name}{suffix}" for suffix in suffixes]
        style.save(draw(name, table), outputs)
    for output in outputs:
        first = (tmp_path / "first" / output.name).read_bytes()
        assert first == output.read_bytes(), output.name
        assert len(first) > 5000


@pytest.mark.parametrize("name", [*DRAWN, "fingerprints, backwards"])
def test_no_text_lies_over_other_text_or_leaves_the_figure(name: str, shown: Tables) -> None:
    name, _, backwards = name.partition(", ")
    figure = draw(name, shown[name][::-1] if backwards else shown[name])
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text: text.get_window_extent(renderer) for text in texts_of(figure)}
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text.get_text()
    for (first, box), (second, other) in combinations(boxes.items(), 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (first.get_text(), second.get_text())


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "naive_learning_curves"])
def test_several_models_have_panels_of_their_own(name: str, shown: Tables) -> None:
    table = one_game(shown[name])
    both = draw(name, pd.concat([table, table.assign(model="another")], ignore_index=True))
    assert len(titles(both)) == 2 * len(titles(draw(name, table)))
    assert any("another" in text for text in words(both))
    if name in ("learning_curves", "fingerprints", "cross_play"):  # a panel for each game
        assert titles(draw(name, shown[name])) == [game_title(game) for game in GAMES]
