"""Commands that are printed to be copied: a shell takes them apart into the words that were meant."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.report.pages.rendering import _environment
from lockstep.harness.shell import command_line

ROOT = Path(__file__).parents[1]
LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))
WORDS = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8), min_size=1)


@given(WORDS)
def test_the_words_come_back(words: list[str]) -> None:
    """Whatever is in them."""
    assert shlex.split(command_line(words)) == words


def test_it_is_the_only_place() -> None:
    """Nobody quotes by hand, and no page shows a command whose words are put together without it."""
    files = [file for folder in ("harness", "engines") for file in (ROOT / folder).rglob("*.py")]
    quoting = {file.name for file in files if re.search(r"shlex\.(join|quote)", file.read_text())}
    assert quoting == {"shell.py"}
    for template in (ROOT / "harness/report/pages/templates").iterdir():
        for command in re.findall(r"<code>(lockstep .*?)</code>", template.read_text()):
            assert "{{" not in command, template


def test_a_page_quotes() -> None:
    """A run and a case of any name."""
    text = (
        _environment().from_string("{{ ['lockstep', 'events', run, case] | command_line }}").render(run="my run", case="a'b")
    )
    assert shlex.split(text.replace("&#39;", "'").replace("&#34;", '"')) == ["lockstep", "events", "my run", "a'b"]


def test_what_is_printed_runs(tmp_path: Path) -> None:
    """In a folder with blanks, of a program and arguments with blanks: the command that `watch` prints is run as it is."""
    folder = tmp_path / "mein Ordner ü"
    folder.mkdir()
    program = folder / "the program.sh"
    program.write_text('#!/bin/sh\necho "$# $1" >> told\n')
    program.chmod(0o755)
    words = [LOCKSTEP, "watch", "--reports", "the runs", "--", str(program), "a 'b' $c *", ""]
    first = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    (again,) = (line.partition("again: ")[2] for line in first.stderr.splitlines() if "again: " in line)
    assert again.startswith("lockstep watch ")
    subprocess.run(
        ["bash", "-c", again.replace("lockstep", shlex.quote(LOCKSTEP), 1)], cwd=folder, check=True, capture_output=True
    )
    assert (folder / "told").read_text() == "2 a 'b' $c *\n" * 2
