"""Returns, advantages and credit one number at a time, without tensors."""

Rows = list[list[float]]


def loop_returns(rewards: Rows, discount: float) -> Rows:
    return [
        [sum(discount ** (s - t) * row[s] for s in range(t, len(row))) for t in range(len(row))]
        for row in rewards
    ]


def loop_leave_one_out(values: Rows, groups: list[int]) -> Rows:
    result = []
    for match, row in enumerate(values):
        others = [m for m, group in enumerate(groups) if group == groups[match] and m != match]
        result.append(
            [value - sum(values[m][t] for m in others) / len(others) for t, value in enumerate(row)]
        )
    return result


def loop_alignment(
    own: Rows, other: Rows, beta: float, discount: float, current: bool, got: bool = False
) -> Rows:
    """With `got`, a past advantage counts without the rewards that are still to come."""
    result = []
    for mine, theirs in zip(own, other, strict=True):
        row = []
        for t in range(len(mine)):
            past = 0.0
            for k in range(t + 1 if current else t):
                to_come = discount ** (t - k) * mine[t] if got else 0.0
                past += discount ** (t - k) * (mine[k] - to_come)
            weight = beta if current else beta * discount
            row.append(mine[t] + weight * past * theirs[t])
        result.append(row)
    return result


def loop_generalized(rewards: Rows, values: Rows, discount: float, trace_decay: float) -> Rows:
    errors = [
        [reward + discount * value[t + 1] - value[t] for t, reward in enumerate(row)]
        for row, value in zip(rewards, values, strict=True)
    ]
    return loop_returns(errors, discount * trace_decay)
