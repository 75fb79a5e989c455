"""The command line. It only parses and dispatches; one file a command is in `commands/`.

Machine output goes to stdout, everything for people to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import harness
from harness.commands import catalogue, compare, doctor, events, history, report, run, scenarios, schema

COMMANDS = (run, scenarios, catalogue, compare, history, schema, report, events, doctor)
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="lockstep", description=harness.__doc__)
    top.add_argument("--version", action="version", version=f"lockstep {harness.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("lockstep: interrupted; what was judged so far is kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `lockstep ... | head`
        sys.stderr.close()
        return 0
    except Exception as error:
        code = getattr(error, "exit_code", 0)
        if not code:
            raise
        print(f"{error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
