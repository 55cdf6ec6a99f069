"""Which conversations share a forward and backward pass."""

from collections.abc import Sequence


def micro_batches(
    lengths: Sequence[int], most_rows: int, most_tokens: int | None
) -> list[list[int]]:
    """Rows of every pass.

    Args:
        lengths: tokens of every conversation.
        most_rows: most conversations of a pass.
        most_tokens: most tokens of a pass, padding included; None for no limit. A conversation that is longer than
            that has a pass of its own.

    Returns:
        Row numbers. In order without a limit of tokens; with one, the longest conversations come first, so that
        those of a pass are of about the same length, and that a lack of memory shows at once.
    """
    rows: Sequence[int] = range(len(lengths))
    if most_tokens is not None:
        rows = sorted(rows, key=lambda row: -lengths[row])
    batches: list[list[int]] = []
    for row in rows:
        last = batches[-1] if batches else []
        fits = (
            most_tokens is None
            or (len(last) + 1) * lengths[last[0] if last else row] <= most_tokens
        )
        if last and len(last) < most_rows and fits:
            last.append(row)
        else:
            batches.append([row])
    return batches
