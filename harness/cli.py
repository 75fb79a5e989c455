"""The command line. It only parses and dispatches; one file a command is in `commands/`.

Machine output goes to stdout, everything for people to stderr. Nothing of ours is imported before `main` runs: were it to
fail, Python's exit code 1 would tell `git bisect run lockstep judge-commit` that a commit is bad.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

EXIT_FAULT = 3  # never 1, which says that something was judged
EXIT_STOP = 128
EXIT_INTERRUPTED = 130
EXITS_OF_JUDGE_COMMIT = (0, 1, 125)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from lockstep import harness
    from lockstep.harness.commands import (
        bisect,
        catalogue,
        compare,
        diagnose,
        doctor,
        events,
        history,
        judge_commit,
        report,
        run,
        scenarios,
        schema,
        watch,
    )

    top = argparse.ArgumentParser(prog="lockstep", description=harness.__doc__)
    top.add_argument("--version", action="version", version=f"lockstep {harness.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    every = (
        run, watch, scenarios, catalogue, compare, history, bisect, judge_commit, schema, report, events, diagnose, doctor,
    )  # fmt: skip
    for command in every:
        command.add(commands)
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
    from lockstep.harness.channel.logs import level
    from lockstep.harness.errors import LockstepError

    arguments = parser().parse_args(words)
    try:
        level(os.environ)  # before any case is started
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("lockstep: interrupted; what was judged so far is kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `lockstep ... | head`
        if words[:1] == ["judge-commit"]:
            raise
        sys.stderr.close()
        return 0
    except LockstepError as error:
        print(f"{error}", file=sys.stderr)
        return EXIT_STOP if words[:1] == ["judge-commit"] else error.exit_code
    except Exception as error:
        if words[:1] == ["judge-commit"]:
            raise
        print(f"lockstep: {type(error).__name__}: {error}; this is a fault of Lockstep, {_kept(error)}", file=sys.stderr)
        return EXIT_FAULT
    return code


def _kept(error: Exception) -> str:
    """Where the trace of a fault of ours is, in words."""
    text = "".join(traceback.format_exception(error))
    try:
        descriptor, path = tempfile.mkstemp(prefix="lockstep-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError:
        return f"and its trace could not be written:\n{text}"
    return f"please report it with {path}"


if __name__ == "__main__":
    sys.exit(main())
