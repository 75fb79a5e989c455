"""Text for people in as many columns as there are: words and dates stay whole, names are cut in their middle."""

from __future__ import annotations

import os
from typing import TextIO

from rich.cells import cell_len

PLAIN, LEAST = 80, 20  # columns where nobody says how many there are; fewer than the least are not heeded
ELLIPSIS = "..."


def columns(file: TextIO) -> int:
    """$COLUMNS where it is set, else those of the terminal; 80 in a log, which looks the same whoever writes it."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return max(LEAST, int(told))
    try:
        found = os.get_terminal_size(file.fileno()).columns if file.isatty() else 0
    except (OSError, ValueError):  # a stream without a file below it
        found = 0
    return max(LEAST, found) if found else PLAIN


def wrapped(text: str, columns: int, indent: int = 0, more: int = 0) -> list[str]:
    """Folded between words, each row `indent` cells in, those after the first `more` further.

    A word for which no row has room sticks out.
    """
    rows: list[str] = []
    row = ""
    for word in text.split():
        joined = f"{row} {word}" if row else " " * (indent + more * bool(rows)) + word
        if row and cell_len(joined) > columns:
            rows.append(row)
            joined = _indented(word, columns, indent + more)
        row = joined
    return [*rows, row] if row else rows


def entry(lead: str, name: str, text: str, columns: int, indent: int, joint: str = "  ") -> list[str]:
    """One thing that is told: all in one row where there is room, else its name whole in a row, so that it can be searched
    for and copied, and the text below it."""
    row = f"{lead}{name}"
    if cell_len(f"{row}{joint}{text}") <= columns or not text:
        rows, text = [f"{row}{joint}{text}" if text else row], ""
    else:
        rows = [row]
    if cell_len(row) > columns:
        rows = [lead.rstrip(), _indented(name, columns, indent)]
    return [*rows, *wrapped(text, columns, indent)]


def middle_cut(text: str, cells: int) -> str:
    """Both ends of a text, which tell more than its middle."""
    if cell_len(text) <= cells:
        return text
    for kept in range(min(len(text), cells - len(ELLIPSIS)), 0, -1):
        cut = f"{text[: kept - kept // 2]}{ELLIPSIS}{text[len(text) - kept // 2 :]}"
        if cell_len(cut) <= cells:
            return cut
    return ELLIPSIS[: max(0, cells)]


def _indented(word: str, columns: int, indent: int) -> str:
    """Less far in where it would stick out for that alone."""
    return " " * max(0, min(indent, columns - cell_len(word))) + word
