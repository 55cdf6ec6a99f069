"""The whole configuration."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from social_dilemmas.config.schema.evaluation import (
    PartialDisturbances,
    PartialEvaluation,
    PartialTranscripts,
    Tournament,
)
from social_dilemmas.config.schema.experiments import Ablations, PriorSweep, Rivals, TwoLearners
from social_dilemmas.config.schema.game import Game, PartialExploitability, PartialGeneralisation
from social_dilemmas.config.schema.machine import Machine
from social_dilemmas.config.schema.models import EmbeddedModel, Model, PublishedModel
from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.config.schema.section import Count, Name, Section, Seed, Text, named, unique
from social_dilemmas.config.schema.training import Algorithm, PartialTraining
from social_dilemmas.config.schema.warm_start import PartialWarmStart


class Config(Section):
    """The whole configuration."""

    scale: Name
    """name of the folder below `results/` that takes everything"""
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(unique)]
    """every algorithm is trained once with each of these seeds (whole numbers from 0)"""
    further_seeds: Annotated[list[Seed], AfterValidator(unique)] = []
    """more seeds of the same trainings, for the further experiments: their tables and figures `all_...` show all seeds
    together"""
    experiment_seeds: Count | None = None
    """how many of the `seeds`, from the first on, ablations, rivals, the sweep over priors and pairs of learners take;
    `null`: all"""
    main_experiments: Annotated[
        list[Literal["exploitability", "generalisation"]], AfterValidator(unique)
    ] = []
    """further experiments that the main job makes as well: `exploitability`, `generalisation`"""
    models: Annotated[list[Model], Field(min_length=1)]
    """base models; each is warm-started and trained in every game"""
    games: Annotated[list[Game], Field(min_length=1)]
    """games, one entry each"""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)]
    """what training makes of the rewards; each is run in every game"""
    warm_start: PartialWarmStart = PartialWarmStart()  # type: ignore[valid-type]
    """defaults of every game's `warm_start`"""
    training: PartialTraining = PartialTraining()  # type: ignore[valid-type]
    """defaults of every game's `training`"""
    evaluation: PartialEvaluation = PartialEvaluation()  # type: ignore[valid-type]
    """defaults of every game's `evaluation`"""
    exploitability: PartialExploitability = PartialExploitability()  # type: ignore[valid-type]
    """defaults of every game's `exploitability`"""
    ablations: Ablations = Ablations()
    """trainings with one thing left out or done differently"""
    rivals: Rivals = Rivals()
    """trainings of other ways to cooperation"""
    prior_sweep: PriorSweep = PriorSweep()
    """trainings from warm starts with more or less reciprocity"""
    two_learners: TwoLearners = TwoLearners()
    """trainings of two learners against each other"""
    transcripts: PartialTranscripts = PartialTranscripts()  # type: ignore[valid-type]
    """defaults of every game's `transcripts`"""
    disturbances: PartialDisturbances = PartialDisturbances()  # type: ignore[valid-type]
    """defaults of every game's `disturbances`"""
    generalisation: PartialGeneralisation = PartialGeneralisation()  # type: ignore[valid-type]
    """defaults of every game's `generalisation`"""
    api_players: list[ApiPlayer] = []
    """players behind a server of the OpenAI chat-completions protocol"""
    tournament: Tournament = Tournament()
    """a tournament with strategies of the Axelrod library"""
    claims: Text = "config/claims.csv"
    """file of the claims: bounds on measurements that count as shown; it explains itself"""
    tracker: Literal["none", "tensorboard", "trackio", "wandb", "mlflow"] = "none"
    """experiment tracker that gets settings and metrics of trainings while they run; no result depends on it"""
    machine: Machine = Machine()
    """what jobs run on: for estimates of time and memory, and whether jobs ask for GPUs"""

    @property
    def seeds_of_experiments(self) -> list[int]:
        """The seeds of ablations, rivals, the sweep over priors and pairs of learners."""
        return self.seeds[: self.experiment_seeds]

    def game(self, name: str) -> Game:
        """The game of this name."""
        return named(self.games, name)

    def model(self, name: str) -> EmbeddedModel | PublishedModel:
        """The base model of this name."""
        return named(self.models, name)
