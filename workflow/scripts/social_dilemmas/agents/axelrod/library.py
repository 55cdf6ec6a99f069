"""The Axelrod library, an optional dependency."""

from social_dilemmas.errors import UserError

try:
    import axelrod
except ModuleNotFoundError as error:
    if error.name != "axelrod":
        raise
    raise UserError(
        "strategies of the Axelrod library need the package axelrod, which isn't there: call make .venv/.axelrod"
    ) from error

__all__ = ["axelrod"]
