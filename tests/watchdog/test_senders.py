"""Who sends what: the watchdog believes an engine's supervisor all that it can send."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lockstep.harness.supervisor as supervisor
from lockstep.harness.channel import to_watchdog
from lockstep.harness.watchdog.intake import OF_A_PROGRAM

PACKAGE, MESSAGES = supervisor.__name__, to_watchdog.__name__
ROOM = Path(supervisor.__path__[0])


def imports(file: str) -> Iterator[tuple[str, str]]:
    """What a file of the supervisor's room imports: module and name."""
    for node in ast.walk(ast.parse((ROOM / f"{file}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def reached(file: str) -> set[str]:
    """The files of the room that this one reaches, with itself."""
    found, new = set[str](), {file}
    while new:
        found |= new
        new = {module.rpartition(".")[2] for one in new for module, _ in imports(one) if module.startswith(f"{PACKAGE}.")}
        new -= found
    return found


def sent(file: str) -> set[str]:
    """The messages to the watchdog that a supervisor can make whose code begins in this file."""
    return {name for one in reached(file) for module, name in imports(one) if module == MESSAGES}


def test_no_message_of_an_engine_is_refused() -> None:
    """One that is refused costs all belief in what its sender's ranks do: no hang of them is proved any more."""
    refused = {kind.__name__ for kind in OF_A_PROGRAM}
    assert {"Hello", "Delta", "Ended", "StacksDone"} <= sent("rank")
    assert sent("rank") & refused == set()
    assert refused <= sent("program")
