r"""Tables for a paper, in LaTeX. They need `\usepackage{booktabs}` and nothing else."""

import re
from pathlib import Path

import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "−": r"\ensuremath{-}",
    "–": "--",
}
NUMBER = re.compile(r"[−-]?\d[\d.,]*( ?%)?( \[.*\])?|–")  # and maybe its interval; a dash is none


def escape(text: str) -> str:
    """Text as LaTeX shows it: no character of it is taken for a command."""
    return "".join(SPECIAL.get(character, character) for character in text)


def latex_table(frame: pd.DataFrame, *, caption: str, label: str) -> str:
    r"""A table in a floating environment, with the lines of booktabs.

    Columns of numbers are aligned to the right, all others to the left.

    Args:
        frame: what is shown, cell by cell; the index isn't.
        caption: plain text, put above the table.
        label: for `\ref`, without the prefix `tab:`.
    """
    cells = [[escape(str(cell)) for cell in row] for row in frame.itertuples(index=False)]
    sides = "".join("r" if _numeric(frame.iloc[:, at]) else "l" for at in range(frame.shape[1]))
    head = " & ".join(escape(str(name)) for name in frame.columns)
    rows = [" & ".join(row) + r" \\" for row in cells]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            r"  \small",
            rf"  \caption{{{escape(caption)}}}",
            rf"  \label{{tab:{label}}}",
            rf"  \begin{{tabular}}{{{sides}}}",
            r"    \toprule",
            rf"    {head} \\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def write_latex(frame: pd.DataFrame, path: Path, *, caption: str, label: str) -> None:
    """Write `latex_table` to a file."""
    path.write_text(latex_table(frame, caption=caption, label=label), encoding="utf-8")


def _numeric(column: pd.Series) -> bool:
    """Whether all cells are numbers, with or without an interval; an empty cell is no hindrance."""
    texts = [str(cell) for cell in column if str(cell)]
    return bool(texts) and all(NUMBER.fullmatch(text) for text in texts)
