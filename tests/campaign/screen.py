"""A terminal as a person sees it, for tests: a command in a pseudo-terminal, and a small reading of what it writes there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lockstep.harness.host.polling import wait_until
from tests.attach.test_interruption import hear

_CONTROL = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    """What stands on a terminal of so many columns; lines that have scrolled away are kept. One cell a character."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.coloured = False
        self._row = self._column = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        """What a program writes."""
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = _CONTROL.match(text, at)
                if found is None:
                    assert len(text) - at < 16, f"a sequence that is not known: {text[at : at + 20]!r}"
                    self._rest = text[at:]
                    return
                self._control(*found.groups())
                at = found.end()
            else:
                self._put(text[at])
                at += 1

    def text(self) -> str:
        """All of it."""
        return "\n".join(row.rstrip() for row in self.rows)

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._down(1)
        else:
            assert character.isprintable(), repr(character)
            if self._column == self.columns:
                self._column = 0
                self._down(1)
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1

    def _down(self, lines: int) -> None:
        self._row += lines
        self.rows += [""] * (self._row + 1 - len(self.rows))

    def _control(self, private: str, values: str, letter: str) -> None:
        number = int(values) if values.isdigit() else 0
        if letter == "A":
            self._row -= max(1, number)
            assert self._row >= 0, "above the top of the screen"
        elif letter == "J" and number == 0:
            self.rows[self._row] = self.rows[self._row][: self._column]
            del self.rows[self._row + 1 :]
        elif letter == "K":
            self.rows[self._row] = "" if number == 2 else self.rows[self._row][: self._column]
        elif letter == "m":
            self.coloured |= any(30 <= int(value) < 50 or 90 <= int(value) < 108 for value in values.split(";") if value)
        else:
            assert private and letter in "hl", f"{private}{values}{letter}"


class Terminal:
    """A command in a terminal of its own. `wanted`: what is looked for on its screen at every moment."""

    def __init__(self, columns: int, wanted: Sequence[re.Pattern[str]]) -> None:
        self.screen = Screen(columns)
        self.written = b""
        self._wanted = dict.fromkeys(wanted, False)

    def await_all(self, command: subprocess.Popen[bytes], seconds: float) -> bool:
        """Whether all that is wanted stood there, as long as the command runs."""
        wait_until(lambda: all(self._wanted.values()) or command.poll() is not None, seconds)
        return all(self._wanted.values())

    def read(self, master: int) -> None:
        """Until nobody has the terminal any more."""
        with contextlib.suppress(OSError):
            while data := os.read(master, 65536):
                self.written += data
                self.screen.feed(data.decode(errors="replace"))
                text = self.screen.text()
                for pattern in self._wanted:
                    self._wanted[pattern] |= bool(pattern.search(text))


@contextlib.contextmanager
def in_terminal(
    words: Sequence[str], folder: Path, env: Mapping[str, str], columns: int, wanted: Sequence[re.Pattern[str]]
) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """Run it there. At the end of the block it has to have ended by itself, or is killed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    terminal = Terminal(columns, wanted)
    reader = threading.Thread(target=terminal.read, args=(master,))

    def own() -> None:
        hear()
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    command = subprocess.Popen(
        words, cwd=folder, env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1", **env},
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=own,
    )  # fmt: skip
    os.close(slave)
    reader.start()
    try:
        yield command, terminal
    finally:
        command.kill()
        command.wait()
        reader.join(60)
        os.close(master)
