"""The parser of one command: its mistakes are told with its own usage, and with what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from lockstep.harness.commands.table import named


class CommandParser(argparse.ArgumentParser):
    """Of a sub-command. argparse leaves what this one does not know to the top, which knows nothing of it."""

    def __init__(self, **words: Any) -> None:
        command = named(str(words.get("prog", "")).rpartition(" ")[2])
        if command is not None:
            words.setdefault("description", f"{command.sentence[0].upper()}{command.sentence[1:]}.")
        super().__init__(**words)

    def options(self) -> list[str]:
        """All that begins with a dash."""
        return [name for action in self._actions for name in action.option_strings]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Everything is known, or a mistake."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Usage, what is wrong, and where more is told. Raises SystemExit with code 2."""
        self.exit(2, f"{self.format_usage()}{self.prog}: {message}\n`{self.prog} --help` tells more\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """argparse would say nothing of a help that nobody could be given."""
        stream = file or sys.stderr
        stream.write(message)
        stream.flush()

    def _meant(self, unknown: Sequence[str]) -> str:
        options = [name for name in self.options() if name.startswith("--")]
        for word in unknown:
            close = difflib.get_close_matches(word.partition("=")[0], options, n=1) if word.startswith("-") else []
            if close:
                return f"; did you mean {close[0]}?"
        return ""
