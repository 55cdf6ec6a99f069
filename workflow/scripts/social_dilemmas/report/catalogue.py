"""Every table and every figure: what it is made from, by what, and how it is shown.

The rules read this file, so it imports nothing heavy and names functions such as "statistics.tables:cross_play".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIRST = "first_learning_curves"
"""The table and the figure of the first steps: a part of the main job, and asked for by nothing else."""


@dataclass(frozen=True)
class Table:
    """How a table is made and printed.

    Its function gets files, by their keys, of a kind for each argument in `inputs`; the rules know where they lie. As
    the argument `tables` it gets those of `tables` that the configuration asks for, and then as `criteria` the file of
    claims. `printer` is the function of `report.printed` that prints it, `text` one that writes it for a terminal.
    The main job makes it, or, if it names an `experiment`, that one.
    """

    function: str
    title: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""
    tables: tuple[str, ...] = ()
    printer: str = "rows"
    text: str | None = None

    @property
    def modules(self) -> list[str]:
        """The modules that make it, as paths below the library."""
        names = [name.partition(":")[0] for name in (self.function, self.text) if name]
        return [f"{name.replace('.', '/')}.py" for name in names]


@dataclass(frozen=True)
class Figure:
    """How a figure is drawn: in a module of `report.figures`, `table` gathers what is shown, and `draw` draws it.

    `table` gets these tables in this order, and further arguments. It is made where they are and, if it names
    what it `needs`, where that function finds something in the configuration.
    """

    module: str
    tables: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None

    @property
    def modules(self) -> list[str]:
        """The module that draws it, as a path below the library."""
        return [f"report/figures/{self.module}.py"]


TABLES = {
    FIRST: Table(
        "statistics.tables:learning_curves",
        "First learning curves: one game, two algorithms, two seeds",
        {"metrics": "first_metrics"},
        printer="learning_curves",
    ),
    "learning_curves": Table(
        "statistics.tables:learning_curves",
        "Ends of the learning curves",
        {"metrics": "training_metrics"},
        printer="learning_curves",
    ),
    "cross_play": Table(
        "statistics.tables:cross_play",
        "Payoffs of every agent with every other",
        {"matches": "cross_play_matches"},
        printer="cross_play",
    ),
    "fingerprints": Table(
        "statistics.tables:fingerprints",
        "What each agent does in which situation",
        {"matches": "cross_play_matches"},
        printer="fingerprints",
    ),
    "distributions": Table(
        "statistics.tables:distributions",
        "Welfare of single matches in self-play",
        {"matches": "cross_play_matches"},
        printer="distributions",
    ),
    "population": Table(
        "statistics.population:population",
        "Who spreads in a population, and who takes over",
        {"matches": "cross_play_matches"},
        printer="population",
    ),
    "prior_audit": Table(
        "statistics.language:prior_audit",
        "What the model does before any training",
        {"measured": "prior_probabilities"},
        printer="prior_audit",
    ),
    "all_learning_curves": Table(
        "statistics.tables:learning_curves",
        "Ends of the learning curves, all seeds",
        {"metrics": "all_training_metrics"},
        printer="learning_curves",
        experiment="all_seeds",
    ),
    "all_cross_play": Table(
        "statistics.tables:cross_play",
        "Payoffs of every agent with every other, all seeds",
        {"matches": "all_cross_play_matches"},
        printer="cross_play",
        experiment="all_seeds",
    ),
    "all_fingerprints": Table(
        "statistics.tables:fingerprints",
        "What each agent does in which situation, all seeds",
        {"matches": "all_cross_play_matches"},
        printer="fingerprints",
        experiment="all_seeds",
    ),
    "all_distributions": Table(
        "statistics.tables:distributions",
        "Welfare of single matches in self-play, all seeds",
        {"matches": "all_cross_play_matches"},
        printer="distributions",
        experiment="all_seeds",
    ),
    "learning_against_fixed": Table(
        "statistics.tables:learning_curves",
        "Learning against opponents that don't learn",
        {"metrics": "learner_metrics"},
        printer="learning_curves",
        experiment="exploitability",
    ),
    "exploitability": Table(
        "statistics.tables:exploitability",
        "What learners get out of opponents that don't learn",
        {"matches": "learner_matches"},
        printer="exploitability",
        experiment="exploitability",
    ),
    "ablations": Table(
        "statistics.tables:ablations",
        "What each part of the method is worth",
        {"standard": "ablated_matches", "variants": "variant_matches"},
        printer="ablations",
        experiment="ablations",
    ),
    "rivals": Table(
        "statistics.tables:rivals",
        "Other ways to cooperation: with copies, and in the worst case",
        {"standard": "rivalled_matches", "rivals": "rival_matches"},
        printer="rivals",
        experiment="rivals",
    ),
    "prior_sweep": Table(
        "statistics.prior_sweep:prior_sweep",
        "What training makes of more or less reciprocity in the warm start",
        {"matches": "prior_matches"},
        printer="prior_sweep",
        experiment="prior_sweep",
    ),
    "two_learners": Table(
        "statistics.tables:two_learners",
        "Two learners against each other",
        {"metrics": "pair_metrics"},
        printer="learning_curves",
        experiment="two_learners",
    ),
    "tournament": Table(
        "statistics.tournament:ranking",
        "Ranking among the strategies of the Axelrod library",
        {
            "matches": "tournament_matches",
            "strategies": "strategy_matches",
            "kinds": "strategy_kinds",
        },
        printer="tournament",
        experiment="tournament",
    ),
    "tournament_by_opponent": Table(
        "statistics.tournament:by_opponent",
        "What trained agents get with each strategy of the Axelrod library",
        {"matches": "tournament_matches", "kinds": "strategy_kinds"},
        experiment="tournament",
    ),
    "noise": Table(
        "statistics.disturbances:noise",
        "What becomes of play after a slip, and under trembles",
        {"matches": "disturbed_matches"},
        printer="disturbed",
        experiment="disturbances",
    ),
    "messages": Table(
        "statistics.disturbances:messages",
        "What play owes to messages",
        {"matches": "talking_matches"},
        printer="disturbed",
        experiment="disturbances",
    ),
    "generalisation": Table(
        "statistics.generalisation:generalisation",
        "What agents do under what they weren't trained on",
        {"matches": "variation_matches"},
        printer="generalisation",
        experiment="generalisation",
    ),
    "perplexity": Table(
        "statistics.language:perplexity",
        "Perplexity of ordinary English before and after training",
        {"measured": "perplexities"},
        printer="perplexity",
        experiment="generalisation",
    ),
    "claims": Table(
        "statistics.claims:claims",
        "The claims and what was measured",
        tables=("cross_play", "fingerprints", "exploitability"),
        printer="claims",
        text="report.claims_text:format_claims",
    ),
    "all_claims": Table(
        "statistics.claims:claims",
        "All claims and what was measured",
        tables=(
            *("all_cross_play", "all_fingerprints"),
            *("cross_play", "fingerprints", "exploitability", "ablations"),
            *("tournament_by_opponent", "messages"),
        ),
        printer="claims",
        text="report.claims_text:format_claims",
        experiment="all_claims",
    ),
}

FIGURES = {
    FIRST: Figure("curves", (FIRST,)),
    "learning_curves": Figure("curves", ("learning_curves",)),
    "naive_learning_curves": Figure(
        *("curves", ("learning_curves",), {"naive": True}),
        needs="config.contents:naive_algorithms",
    ),
    "cross_play": Figure("cross_play", ("cross_play",)),
    "fingerprints": Figure("fingerprints", ("fingerprints",)),
    "distributions": Figure("distributions", ("distributions",)),
    "population": Figure("population", ("population",)),
    "proposals": Figure("proposals", ("fingerprints",), needs="config.contents:trust_games"),
    "truthfulness": Figure(
        "truthfulness", ("learning_curves", "fingerprints"), needs="config.contents:truthful_games"
    ),
    "invalid_replies": Figure("curves", ("learning_curves",), {"quantity": "invalid_rate"}),
    "all_learning_curves": Figure("curves", ("all_learning_curves",)),
    "all_cross_play": Figure("cross_play", ("all_cross_play",)),
    "all_distributions": Figure("distributions", ("all_distributions",)),
    "learning_against_fixed": Figure("learning_against_fixed", ("learning_against_fixed",)),
    "learning_against_alignment": Figure(
        *("learning_against_fixed", ("learning_against_fixed",)),
        {"opponents": ["advantage_alignment"]},
        needs="config.contents:learners_against_alignment",
    ),
    "exploitability": Figure("exploitability", ("exploitability",)),
    "ablations": Figure("ablations", ("ablations",)),
    "rivals": Figure("rivals", ("rivals",)),
    "two_learners": Figure("two_learners", ("two_learners",)),
    "noise": Figure("noise", ("noise",)),
    "messages": Figure("messages", ("messages",)),
    "generalisation": Figure("generalisation", ("generalisation",)),
    "prior_sweep": Figure("prior_sweep", ("prior_sweep",)),
    "tournament": Figure("tournament", ("tournament", "tournament_by_opponent")),
}
