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
        """What is wrong, the shape of the command, and where more is told. Raises SystemExit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n{self._shape()}`{self.prog} --help` tells more\n")

    def _shape(self) -> str:
        """The usage without the many options that may be left out: they would hide the mistake."""
        if self.usage:
            return self.format_usage()
        formatter = self.formatter_class(prog=f"{self.prog} [options]")
        formatter.add_usage(None, [one for one in self._actions if one.required or not one.option_strings], ())
        return formatter.format_help()

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
