"""Numbers as they are printed."""

import math

NONE = "–"


def number(value: float) -> str:
    """Three or four digits, enough to tell two results apart; a count as it is."""
    if math.isnan(value):
        return NONE
    if isinstance(value, int):
        return str(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def with_interval(value: float, low: float, high: float) -> str:
    """A value and its interval; alone where there is no interval."""
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"
