r"""Tables for a paper, in LaTeX. They need `\usepackage{booktabs}` and nothing else."""

import re

import pandas as pd

SPECIAL = str.maketrans(
    {
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
)
NUMBER = re.compile(r"([−-]?\d[\d.,]*( ?%)?( \[.*\])?|–)?")  # maybe with an interval; – is none


def escape(text: object) -> str:
    """Text as LaTeX shows it, every character literally (pandas escapes fewer)."""
    return str(text).translate(SPECIAL)


def latex_table(frame: pd.DataFrame, *, caption: str, label: str) -> str:
    r"""A frame of texts in a floating environment, with the lines of booktabs; numbers are aligned to the right.

    The caption is plain text; the label, for `\ref`, is without the prefix `tab:`.
    """
    frame = frame.reset_index(drop=True)
    sides = "".join("r" if all(map(NUMBER.fullmatch, frame[name])) else "l" for name in frame)
    style = frame.style.hide(axis="index").format(escape).format_index(escape, axis="columns")
    style.set_table_styles([{"selector": "small", "props": ":;"}])
    return style.to_latex(
        column_format=sides,
        position_float="centering",
        hrules=True,
        caption=escape(caption),
        label=f"tab:{label}",
    )
