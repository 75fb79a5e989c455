"""From measured lines to the judge's table: what surely never pairs, and nothing that was not measured."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pairing.outcome import End

Line = Mapping[str, Any]
ROOTED = ("broadcast", "reduce", "gather", "scatter")  # of gloo, where rank 0 is the root
HEAD = '''"""Which collectives never pair: measured and written by `python -m benchmarks.pairing`; not to be edited by hand.

For each library and version, for each operation that a rank waits in, those that another rank may have entered in its place
with the same number and for which the rank then never came out. `@root`: entered as its root; `@leaf`: with another rank as
its root; `i...`: non-blocking. `RANKS` tells with how many ranks.
"""

# fmt: off
'''


def written(files: Iterable[Path]) -> str:
    """The module's text."""
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines() if line]
    by_library: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_library[line["library"], line["version"]].append(line)
    parts = [HEAD, "RANKS: dict[tuple[str, str], tuple[int, ...]] = {\n"]
    for key, measured in sorted(by_library.items()):
        parts.append(f'    ("{key[0]}", "{key[1]}"): {_tuple(sorted({len(line["ends"]) for line in measured}))},\n')
    parts.append("}\n\nNEVER: dict[tuple[str, str], dict[str, str]] = {\n")
    for key, measured in sorted(by_library.items()):
        parts.append(f'    ("{key[0]}", "{key[1]}"): {{\n')
        for mine, theirs in sorted(never(measured).items()):
            listed = textwrap.wrap(" ".join(sorted(theirs)), 105)
            strings = "\n".join(f'            "{text}{" " if n < len(listed) - 1 else ""}"' for n, text in enumerate(listed))
            parts.append(f'        "{mine}": (\n{strings}\n        ),\n')
        parts.append("    },\n")
    parts.append("}\n")
    return "".join(parts)


def never(measured: Sequence[Line]) -> dict[str, set[str]]:
    """Operation that a rank waits in -> those that another has entered for which it never came out, wherever measured.

    Both orders and all forms and numbers of ranks that were measured at all must say so.
    """
    waits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for line in measured:
        ends = [End(end) for end in line["ends"]]
        if End.NOT_THERE in ends:
            raise ValueError(f"not measured: {line}")
        if ", another root" in line["first"] + line["second"] and len(ends) > 2:
            continue  # the root is neither of the two
        first, second = _names(line)
        # Of a rooted first only its root is asked where others of the same operation are leaves: these need the root alone.
        rooted = first.endswith("@root") or first in ROOTED
        firsts = ends[:1] if rooted else ends[:-1]
        waits[first, second].append(all(end is End.WAITS for end in firsts))
        waits[second, first].append(ends[-1] is End.WAITS)
    found: dict[str, set[str]] = defaultdict(set)
    for (mine, theirs), said in waits.items():
        if all(said):
            found[mine].add(theirs)
    return found


def _names(line: Line) -> tuple[str, str]:
    """Of gloo, whose slots carry the operation's name, the root is told only where it alone differs."""
    first, second = str(line["first"]), str(line["second"])
    for name in (first, second):
        operation, _, what = name.partition(", ")
        if what == "another root":
            role = "root" if second == name else "leaf"
            return f"{operation}@{role}", f"{operation}@{role}"
    return first.replace(", ", " of "), second.replace(", ", " of ")


def _tuple(numbers: Sequence[int]) -> str:
    return "(" + "".join(f"{number}, " for number in numbers).rstrip() + ")" if len(numbers) == 1 else str(tuple(numbers))
