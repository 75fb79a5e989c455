"""All commands in the order of their use: what each is for, and the module that declares it. Nothing of them is imported."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`module`: below `lockstep.harness.commands`."""

    name: str
    module: str
    sentence: str


GROUPS = {
    "judge": (
        Command("watch", "watch", "run any program, unmodified, and judge it"),
        Command("run", "run", "run scenarios and judge every case"),
        Command("peek", "peek", "say who waits where in a run that goes on"),
        Command("inspect", "inspect", "look at a hung job that was started without Lockstep"),
        Command("diagnose", "diagnose", "judge PyTorch Flight Recorder dumps of all ranks"),
    ),
    "look at scenarios": (
        Command("list", "scenarios", "list the cases of scenarios (default: all below scenarios/)"),
        Command("show", "scenarios", "show what a scenario's cases run and expect"),
        Command("import", "import_config", "make a scenario of an engine's own config or command line"),
        Command("catalogue", "catalogue", "print the catalogue of scenarios as Markdown"),
        Command("schema", "schema", "print the JSON Schema of scenario files, for editors"),
    ),
    "look at runs": (
        Command("view", "view", "open the page of a run or of a case"),
        Command("report", "report", "rebuild the reports of a run, also of one that was killed"),
        Command("events", "events", "print what ranks did: of one rank, or of all of a case on one clock"),
        Command("merge", "merge", "make one night of its shards, also of downloaded artifacts"),
        Command("compare", "compare", "what is worse or better in a run than in another one"),
        Command("history", "history", "rates of failure over all runs, and since when"),
    ),
    "find the commit": (
        Command("bisect", "bisect", "find the commit, or the release, that brought a hang"),
        Command("judge-commit", "judge_commit", "judge the checkout in the current folder, for `git bisect run`"),
    ),
    "set up": (
        Command("doctor", "doctor", "check this machine, or all hosts, and say what to do"),
        Command("completion", "completion", "print what a shell needs to complete a command line"),
    ),
}
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}
HIDDEN = Command("complete", "completion", "answer a shell that completes a command line")

EXAMPLES = """\
  lockstep watch -n 2 -- python train.py      any program, as you start it
  lockstep run generation-capture-asymmetric  a known hang, and its cures
  lockstep view                               the page of the newest run
"""
EXIT_CODES = """\
  0 as expected or a success, 1 not, 2 a mistake in the input (nothing was
  launched), 3 nothing could be judged, 128 and the signal when interrupted
"""


def named(name: str) -> Command | None:
    """The command of this name."""
    return HIDDEN if name == HIDDEN.name else COMMANDS.get(name)


def overview() -> str:
    """What `lockstep --help` says, in 80 columns."""
    rows = [
        "usage: lockstep [-h] [--version] COMMAND ...",
        "",
        "Says of a distributed program whether it hangs, raises or succeeds; proves a",
        "deadlock, and names the rank and the line or decision that caused it.",
        "",
        "examples:",
        *EXAMPLES.splitlines(),
    ]
    for title, group in GROUPS.items():
        rows += ["", f"{title}:"]
        for command in group:
            rows += _row(command)
    rows += ["", "exit codes:", *EXIT_CODES.splitlines(), ""]
    return "\n".join([*rows, "`lockstep COMMAND --help` tells more; docs/ has a page on each subject."])


def unknown(name: str) -> str:
    """What is said of a command that there is not."""
    kind, there = ("option", ("--help", "--version")) if name.startswith("-") else ("command", tuple(COMMANDS))
    begun = [one for one in there if len(name) > 2 and one.startswith(name)]
    close = begun or difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there)}"
    return f"lockstep: {name}: no such {kind}; {hint}"


def _row(command: Command) -> list[str]:
    """A command with its sentence, folded."""
    lines = [""]
    for word in command.sentence.split():
        if len(lines[-1]) + len(word) + 1 > 62:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [f"  {command.name:13} {lines[0]}", *(f"{'':16}{line}" for line in lines[1:])]
