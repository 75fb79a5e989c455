"""`lockstep completion SHELL`: what a shell needs to complete; `lockstep complete`: what it is answered.

The answer to a command's name and to a scenario's costs no more than `lockstep --version`: no scenario is read.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable, Sequence

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.table import COMMANDS, HIDDEN, named
from lockstep.harness.scenario.places import WAIVES, root

BASH = """\
_lockstep() {
  local IFS=$'\\n'
  COMPREPLY=($(lockstep complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _lockstep lockstep
"""
SHELLS = {
    "bash": BASH,
    "zsh": f"autoload -U +X bashcompinit && bashcompinit\n{BASH}",
    "fish": "complete -c lockstep -a '(lockstep complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'\n",
}
TAKE_SCENARIOS = ("run", "list", "show", "catalogue", "bisect", "judge-commit")
TAKE_RUNS = ("view", "report", "events", "compare", "peek", "merge")
RUNS = "reports/runs"


def add(commands: Subparsers) -> None:
    """Declare both commands."""
    script = commands.add_parser(
        "completion", epilog='for bash: eval "$(lockstep completion bash)" in ~/.bashrc; fish: ... | source'
    )
    script.add_argument("shell", choices=sorted(SHELLS))
    script.set_defaults(run=print_script)
    answer = commands.add_parser(HIDDEN.name)
    answer.add_argument("words", nargs=argparse.REMAINDER)
    answer.set_defaults(run=complete)


def print_script(arguments: argparse.Namespace) -> int:
    """For the shell's start-up file."""
    print(SHELLS[arguments.shell], end="")
    return 0


def complete(arguments: argparse.Namespace) -> int:
    """One candidate a line."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    print("".join(f"{word}\n" for word in candidates(words)), end="")
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """What the last word of a command line may become."""
    *before, last = words or [""]
    if not before:
        return _beginning(last, [*COMMANDS, "--help", "--version"])
    command = before[0]
    if command not in COMMANDS or "--" in before:
        return []
    if last.startswith("-"):
        return _beginning(last, _options(command))
    found: list[str] = []
    if command in TAKE_SCENARIOS:
        found += sorted({path.stem for path in root().rglob("*.yaml") if path.name != WAIVES})
    if command in TAKE_RUNS:
        found += _runs()
    return _beginning(last, found)


def _options(name: str) -> Iterable[str]:
    """The long options of a command, as it declares them."""
    from lockstep.harness.commands.parser import CommandParser

    command = named(name)
    assert command is not None  # noqa: S101  (the caller has looked)
    commands = argparse.ArgumentParser().add_subparsers(parser_class=CommandParser)
    importlib.import_module(f"lockstep.harness.commands.{command.module}").add(commands)
    return sorted(option for option in commands.choices[name].options() if option.startswith("--"))


def _runs() -> list[str]:
    from pathlib import Path

    return sorted(path.parent.name for path in Path(RUNS).glob("*/run.json"))


def _beginning(last: str, found: Iterable[str]) -> list[str]:
    return [word for word in found if word.startswith(last)]
