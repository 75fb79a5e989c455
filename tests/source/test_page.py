"""docs/source.md is true: its commands run, its layouts are those of the description."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lockstep.engines.source.trtllm.upstream import UPSTREAM
from tests.campaign.test_command_line import lockstep
from tests.source.trees import engine_tree

PAGE = Path("docs/source.md").read_text()
COMMANDS = re.findall(r"^lockstep ([^\n#]+)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, tmp_path: Path) -> None:
    """Each command does what the page says: on a tree whose loop skips alone the shipped case hangs as expected."""
    tree = engine_tree(tmp_path / "tree")
    words = shlex.split(command.replace("/path/to/TensorRT-LLM", str(tree)))
    more = ["--device", "cpu", "--reports", str(tmp_path / "reports")] if words[0] == "run" else []
    done = lockstep(*words, *more, check=0)
    assert "trtllm-generation-capture" in done.stdout + done.stderr


def test_layouts() -> None:
    """The table names the file and the entry of every layout that is known."""
    for entry in UPSTREAM.entries:
        assert f"| `{entry.file}` | `{entry.cls}.{entry.method}` |" in PAGE
