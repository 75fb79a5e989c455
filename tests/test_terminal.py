"""Text of others does nothing to the terminal of whoever reads it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lockstep.harness import cli
from lockstep.harness.report.markdown import plain
from lockstep.harness.terminal import CleanStream, clean, cleaned
from tests.scenario.support import GOOD

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e\ud800"


@given(st.text())
def test_what_is_left_acts_on_nothing(text: str) -> None:
    """Whatever the text, no control character but line ends and tabs is left; what has none stays as it is."""
    shown = clean(text)
    assert all(letter in "\n\t" or ord(letter) >= 32 for letter in shown)
    assert not set(shown) & {chr(code) for code in (*range(127, 160), *range(0x202A, 0x202F), *range(0xD800, 0xE000))}
    assert clean(shown) == shown
    if text.isprintable():
        assert shown == text


def test_what_is_shown_instead() -> None:
    """The characters as Python writes them."""
    assert clean(HOSTILE) == "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\r\\u202e\\ud800"


def test_colours_of_ours_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table keeps its own colours, while what is printed beside it is cleaned."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    with cleaned():
        assert isinstance(sys.stderr, CleanStream)
        Console(stderr=True, force_terminal=True, color_system="standard", _environ={}).print("[red]x[/red]")
        print("\x1b[2J", file=sys.stderr)
    assert not isinstance(sys.stderr, CleanStream)
    assert out.getvalue() == "\x1b[31mx\x1b[0m\n\\x1b[2J\n"


def test_a_letter_that_the_terminal_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a C locale a letter is written as its number: nothing fails for want of it."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with cleaned():
        print("wörtlich")
        sys.stdout.flush()
    assert raw.getvalue() == b"w\\xf6rtlich\n"


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario's values, a mistake's key and an option's value reach stdout and stderr as text only."""
    path = tmp_path / "a.yaml"
    matrix = 'matrix:\n  config.max_batch_size: [4]\n  environment: [{A: "\\e[2J"}]\nexpect:\n'
    path.write_text(GOOD.replace("expect:\n", matrix).replace("  max_batch_size: 4\n", "  max_num_tokens: 64\n"))
    for words in (
        ["list", str(path)],
        ["show", str(path), "--full"],
        ["list", "\x1b[2J"],
        ["list", str(path), "--set", "\x1b=1"],
    ):
        cli.main(words)
        said = "".join(capsys.readouterr())
        assert said
        assert "\x1b" not in said


def test_markdown() -> None:
    """A summary is text for a terminal too."""
    assert "\x1b" not in plain(HOSTILE)
