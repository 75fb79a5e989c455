"""docs/security.md is true: its bounds are those of the code, its table has every reader that is fuzzed."""

from __future__ import annotations

import re
from pathlib import Path

from lockstep.harness.campaign import shard
from lockstep.harness.channel import codec
from lockstep.harness.commands import plan_options
from lockstep.harness.report import names
from lockstep.harness.scenario import case, document, frame, input_file, matrix
from lockstep.harness.supervisor import dumps
from lockstep.harness.watchdog import dump_files
from tests.fuzz.test_fuzz import NAMES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_bounds() -> None:
    """Each figure of the page stands in the code."""
    assert input_file.LARGEST == 1 << 20 and "1 MiB" in PAGE
    assert dump_files.LONGEST_BYTES == dumps.RAS_LONGEST_BYTES == codec.MESSAGE_BYTES == 64 << 20
    assert codec.FRAME_BYTES // (1 << 20) == 1
    for figure in (document.MOST_VALUES, matrix.MOST_CASES, case.MOST_RANKS, plan_options.MOST_REPETITIONS, shard.MOST):
        assert f"{figure:,}" in PAGE, figure
    assert f"at most {document.MOST_DIGITS} digits" in PAGE
    assert matrix.MOST_VALUES == 10_000_000 and "10 million values" in PAGE
    assert frame.LONGEST_S == 365 * 86_400 and "a year" in PAGE
    assert names.PRIVATE == 0o700 and "0700" in PAGE
    assert 2 * dumps.RAS_TIMEOUT_S == 10 and "64 MiB, 10 s" in PAGE


def test_every_reader_was_fuzzed() -> None:
    """The table has a row for each, nothing was broken, and the rows add up."""
    rows = re.findall(r"^\| ([\w-]+) \| ([\d,]+) \| [\d,]+ \| [\d.]+ s \| (\d+) \|$", PAGE, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == NAMES
    assert {broken for _, _, broken in rows} == {"0"}
    (total,) = re.findall(r"^\| all \| ([\d,]+) \|", PAGE, re.MULTILINE)
    assert sum(int(count.replace(",", "")) for _, count, _ in rows) == int(total.replace(",", ""))


def test_links() -> None:
    """They lead somewhere."""
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
