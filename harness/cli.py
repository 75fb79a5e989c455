"""The command line. It only parses and dispatches; one file a command is in `commands/`.

Machine output goes to stdout, everything for people to stderr. Nothing of ours is imported before `main` runs: were it to
fail, Python's exit code 1 would tell `git bisect run lockstep judge-commit` that a commit is bad.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

EXIT_INPUT = 2
EXIT_STOP = 128
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as a shell shows a command that SIGPIPE has ended
READERS = (
    "list",
    "show",
    "catalogue",
    "schema",
    "events",
    "view",
    "history",
    "completion",
    "complete",
    "--help",
    "-h",
    "--version",
)  # who only shows may be cut short
EXITS_OF_JUDGE_COMMIT = (0, 1, 125)


def parser(*names: str) -> argparse.ArgumentParser:
    """The parser of these commands; without names that of all."""
    from lockstep.harness.commands.parser import CommandParser
    from lockstep.harness.commands.table import COMMANDS, named

    top = argparse.ArgumentParser(prog="lockstep")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=CommandParser)
    modules = dict.fromkeys(command.module for name in names or COMMANDS if (command := named(name)))
    for module in modules:
        importlib.import_module(f"lockstep.harness.commands.{module}").add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] != ["judge-commit"]:
        return _run(words)
    code = guarded(words)
    if argv is None:
        # Nothing that may still fail on the way out (a closed pipe is 120) can change the code now.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
    return code


def guarded(words: Sequence[str]) -> int:
    """`judge-commit`: "stop", unless the command ended in order and has judged."""
    code = EXIT_STOP
    try:
        judged = _run(words)
        code = judged if judged in EXITS_OF_JUDGE_COMMIT else max(EXIT_STOP, judged)
    except SystemExit as error:
        if error.code == 0:  # --help
            code = 0
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
    return code


def _run(words: Sequence[str]) -> int:
    """One command, whose words to people do nothing to their terminal."""
    from lockstep.harness.terminal import cleaned

    with cleaned():
        return _dispatched(words)


def _dispatched(words: Sequence[str]) -> int:
    """Parse, dispatch, and say what ended the command before its time."""
    judges = words[:1] == ["judge-commit"]
    try:  # Ctrl-C may come while the command is still being imported
        if (answered := _told(words)) is not None:
            return answered
        arguments = parser(words[0]).parse_args(words)
        from lockstep.harness.commands.variables import check_variables

        check_variables(os.environ)  # before any case is started
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as interrupted:
        with contextlib.suppress(OSError):
            print("lockstep: interrupted; what was judged so far is kept", file=sys.stderr)
        return int(getattr(interrupted, "exit_code", EXIT_INTERRUPTED))  # 128 and the signal, where it is known
    except BrokenPipeError:  # `lockstep ... | head`
        if judges:
            raise
        _write_no_more()
        return 0 if words[:1] and words[0] in READERS else EXIT_BROKEN_PIPE
    except Exception as error:
        from lockstep.harness.unforeseen import told

        code = told(error, words)
        return EXIT_STOP if judges else code
    return code


def _told(words: Sequence[str]) -> int | None:
    """What needs no command: help, the version, and a mistake in the command's name. Its exit code, or None."""
    from lockstep.harness.commands import table

    first = words[0] if words else ""
    if first in ("-h", "--help", "--version"):
        from lockstep import harness

        print(f"lockstep {harness.__version__}" if first == "--version" else table.overview(), flush=True)
        return 0
    if table.named(first) is not None:
        return None
    print(table.unknown(first) if first else table.overview(), file=sys.stderr)
    return EXIT_INPUT


def _write_no_more() -> None:
    """Of neither stream."""
    from lockstep.harness.terminal import write_no_more

    for stream in (sys.stdout, sys.stderr):
        write_no_more(stream)


if __name__ == "__main__":
    sys.exit(main())
