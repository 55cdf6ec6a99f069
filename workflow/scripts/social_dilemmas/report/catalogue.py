"""Every table and every figure: what it is made from, by what, and how it is shown.

A new table or figure needs its function or module, an entry here, and a caption in
`workflow/report`. The rules read this file, so it imports nothing heavy; functions are named as
`pkgutil.resolve_name` wants them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LIBRARY = "social_dilemmas"


@dataclass(frozen=True)
class Table:
    """How a table is made and printed.

    Attributes:
        function: module and name of the function that computes it, such as "a.b:c".
        title: above the printed table.
        inputs: the function's arguments, each with the kind of the files that it gets, by their
            keys; the rules know where the files of a kind lie.
        tables: tables that the function gets too, as its argument `tables`; those that a
            configuration doesn't ask for are left out.
        printer: the function that prints it.
        text: a function that turns the table into a text for a terminal, if it needs one.
    """

    function: str
    title: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    printer: str = f"{LIBRARY}.report.printed:rows"
    text: str | None = None

    @property
    def modules(self) -> list[str]:
        """The modules that make it, as paths below the library."""
        return [_path(name) for name in (self.function, self.text) if name]


@dataclass(frozen=True)
class Figure:
    """How a figure is drawn.

    Attributes:
        module: module in `report.figures` with the functions `table` and `draw`.
        tables: the tables that `table` gets, in this order.
        arguments: its further arguments.
    """

    module: str
    tables: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modules(self) -> list[str]:
        """The module that draws it, as a path below the library."""
        return [f"report/figures/{self.module}.py"]


def _path(function: str) -> str:
    module = function.partition(":")[0].removeprefix(f"{LIBRARY}.")
    return f"{module.replace('.', '/')}.py"


STATISTICS, PRINTED = f"{LIBRARY}.statistics", f"{LIBRARY}.report.printed"
FORMAT_CLAIMS = f"{LIBRARY}.report.claims_text:format_claims"

TABLES = {
    "learning_curves": Table(
        f"{STATISTICS}.tables:learning_curves",
        "Ends of the learning curves",
        {"metrics": "training_metrics"},
        printer=f"{PRINTED}:learning_curves",
    ),
    "cross_play": Table(
        f"{STATISTICS}.tables:cross_play",
        "Payoffs of every agent with every other",
        {"matches": "cross_play_matches"},
        printer=f"{PRINTED}:cross_play",
    ),
    "fingerprints": Table(
        f"{STATISTICS}.tables:fingerprints",
        "What each agent does in which situation",
        {"matches": "cross_play_matches"},
        printer=f"{PRINTED}:fingerprints",
    ),
    "claims": Table(
        f"{STATISTICS}.claims:claims",
        "The paper's claims and what was measured",
        tables=("cross_play", "fingerprints"),
        printer=f"{PRINTED}:claims",
        text=FORMAT_CLAIMS,
    ),
    "learning_against_fixed": Table(
        f"{STATISTICS}.tables:learning_against_fixed",
        "Learning against opponents that don't learn",
        {"metrics": "learner_metrics"},
        printer=f"{PRINTED}:learning_curves",
    ),
    "exploitability": Table(
        f"{STATISTICS}.tables:exploitability",
        "What learners get out of opponents that don't learn",
        {"matches": "learner_matches"},
        printer=f"{PRINTED}:exploitability",
    ),
    "ablations": Table(
        f"{STATISTICS}.tables:ablations",
        "What each part of the method is worth",
        {"standard": "ablated_matches", "variants": "variant_matches"},
        printer=f"{PRINTED}:ablations",
    ),
    "tournament": Table(
        f"{STATISTICS}.tournament:ranking",
        "Ranking among the strategies of the Axelrod library",
        {
            "matches": "tournament_matches",
            "strategies": "strategy_matches",
            "kinds": "strategy_kinds",
        },
        printer=f"{PRINTED}:tournament",
    ),
    "tournament_by_opponent": Table(
        f"{STATISTICS}.tournament:by_opponent",
        "What trained agents get with each strategy of the Axelrod library",
        {"matches": "tournament_matches", "kinds": "strategy_kinds"},
    ),
    "all_claims": Table(
        f"{STATISTICS}.claims:all_claims",
        "All of the paper's claims and what was measured",
        tables=(
            *("cross_play", "fingerprints"),
            *("exploitability", "ablations", "tournament_by_opponent"),
        ),
        printer=f"{PRINTED}:claims",
        text=FORMAT_CLAIMS,
    ),
}

FIGURES = {
    "learning_curves": Figure("learning_curves", ("learning_curves",)),
    "naive_learning_curves": Figure("naive_learning_curves", ("learning_curves",)),
    "cross_play": Figure("cross_play", ("cross_play",)),
    "fingerprints": Figure("fingerprints", ("fingerprints",)),
    "proposals": Figure("proposals", ("fingerprints",)),
    "truthfulness": Figure("truthfulness", ("learning_curves", "fingerprints")),
    "invalid_replies": Figure("invalid_replies", ("learning_curves",)),
    "learning_against_fixed": Figure("learning_against_fixed", ("learning_against_fixed",)),
    "learning_against_alignment": Figure(
        "learning_against_fixed",
        ("learning_against_fixed",),
        {"opponents": ["advantage_alignment"]},
    ),
    "exploitability": Figure("exploitability", ("exploitability",)),
    "ablations": Figure("ablations", ("ablations",)),
    "tournament": Figure("tournament", ("tournament", "tournament_by_opponent")),
}
