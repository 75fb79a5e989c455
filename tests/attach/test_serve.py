"""`--serve`: a run that goes on in a browser, until it ends in whatever way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until
from tests.attach.launch import BIN
from tests.attach.test_command_line import PATH
from tests.attach.test_interruption import UNPROVED
from tests.attach.test_peek import SCENARIO, await_up, going, lines_with
from tests.report.page_samples import Page
from tests.report.test_live_server import is_refused

ROOT = Path(__file__).parents[2]


def address(folder: Path) -> str:
    """What was printed, once there is something."""
    assert wait_until(lambda: bool(lines_with(folder, "live page")), 100.0)
    (line,) = lines_with(folder, "live page")
    return line.partition(": ")[2]


def seen(url: str) -> str:
    """What is read on the page."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return " ".join(Page(answer.read().decode()).text.split())


def over(folder: Path, url: str) -> bool:
    """Whether nobody listens any more, and the token stands nowhere but in the line that told it."""
    token = url.rstrip("/").rpartition("/")[2]
    holds = [path for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert holds == [folder / "said"]
    assert len(lines_with(folder, token)) == 1
    return is_refused(int(re.findall(r":(\d+)/", url)[0]))


@pytest.mark.timeout(300)
def test_watch(tmp_path: Path) -> None:
    """Who waits where and for whom stands on the page, and in no file afterwards; Ctrl-C ends the page with the program."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    with going(tmp_path, "watch", "-n", "2", "--serve", "--", "python", "unproved.py") as head:
        url = address(tmp_path)
        await_up(tmp_path, 2)
        wanted = "Rank 0waitsgloo world recv #1rank 1unproved.py:4 in <module>"
        assert wait_until(lambda: wanted in seen(url), 120.0), seen(url)
        assert "Rank 1runningunproved.py:6 in <module>" in seen(url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            seen(url[:-3])
        head.send_signal(signal.SIGINT)
        assert head.wait(200) == 128 + signal.SIGINT
        assert over(tmp_path, url)
    assert not [*tmp_path.glob("reports/runs/*/cases/*/peek/*")]


@pytest.mark.timeout(400)
def test_run(tmp_path: Path) -> None:
    """All cases in flight are on one page."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    (tmp_path / "two.yaml").write_text(SCENARIO)
    with going(tmp_path, "run", "two.yaml", "--jobs", "2", "--serve") as head:
        url = address(tmp_path)
        await_up(tmp_path, 4)
        assert wait_until(lambda: seen(url).count("for rank 1; rank 1 stands at unproved.py:6") == 2, 120.0), seen(url)
        assert "0 of 2 judged, 2 running" in seen(url)
        head.terminate()
        assert head.wait(200) == 128 + signal.SIGTERM
        assert over(tmp_path, url)


@pytest.mark.timeout(550)
def test_commands_of_the_page(tmp_path: Path) -> None:
    """Each command that docs/pages.md has for it says once where the page is, and ends as it does without."""
    page = (ROOT / "docs" / "pages.md").read_text()
    commands = re.findall(r"^lockstep (.*--serve.*)$", page, re.MULTILINE)
    assert [words.split()[0] for words in commands] == ["run", "watch"]
    for words, code in zip(commands, (0, 1), strict=True):
        first, *rest = words.split()
        command = [str(BIN / "lockstep"), first, "--reports", str(tmp_path), *rest]
        env = {**os.environ, **PATH}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=250, check=False)
        assert done.returncode == code, done.stderr
        assert done.stderr.count("live page, for you alone: http://127.0.0.1:") == 1
