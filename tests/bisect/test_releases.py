"""Bisection of releases: what `--versions` means, and real runs of tiny packages in environments of their own, offline."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.command.plugin import ENGINE
from lockstep.harness import cli
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.images import Container, container_tool
from lockstep.harness.bisect.releases import Listed, Span, plain, range_of, wanted
from lockstep.harness.engine_api import NotInCheckout, Runtime
from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from tests.bisect.test_bisect import own_handlers  # noqa: F401
from tests.bisect.wheels import index, wheel
from tests.watchdog.test_teardown import hear_interrupts

pytestmark = pytest.mark.timeout(300)  # a loaded machine starts processes slowly
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
SCENARIO = """name: toy
source: https://example.org/issues/1
summary: A program that needs a package.
engine: command
config: {argv: [python, -c, "import toypkg; toypkg.run()"]}
limits: {deadline_s: 60}
expect: [{outcome: success}]
"""
GOOD, BAD = "def run(): print('fine')\n", "def run(): raise SystemExit(3)\n"


def bisect(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder with the scenario, with a cache of its own."""
    (folder / "toy.yaml").write_text(SCENARIO)
    full = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **(env or {})}
    command = [LOCKSTEP, "bisect", "toy.yaml", "--device", "cpu", "--state", "state", "--json", *words]
    return subprocess.run(command, cwd=folder, env=full, capture_output=True, text=True, timeout=280, check=False)


def report(folder: Path) -> dict[str, Any]:
    """report.json."""
    found: dict[str, Any] = json.loads((folder / "state" / "report.json").read_text())
    return found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("vllm==0.20..0.25", Span("vllm", "0.20", "0.25")),
        ("a-b[x,y]==1.0rc1..2.0", Span("a-b[x,y]", "1.0rc1", "2.0")),
        ("t==1, t==2", Listed((("1", "t==1"), ("2", "t==2")))),
        ("t[x,y]==1,t[x,y]==2", Listed((("1", "t[x,y]==1"), ("2", "t[x,y]==2")))),
        ("a_b==1,A-b[x]==1", Listed((("a_b==1", "a_b==1"), ("A-b[x]==1", "A-b[x]==1")))),
        ("d/a-1.0-py3-none-any.whl,d/a-1.1-py3-none-any.whl", Listed(
            (("a-1.0", "d/a-1.0-py3-none-any.whl"), ("a-1.1", "d/a-1.1-py3-none-any.whl")))),
        ("docker://r/i:1,docker://r/i:2", Listed((("r/i:1", "r/i:1"), ("r/i:2", "r/i:2")), "image")),
    ],
)  # fmt: skip
def test_what_versions_mean(text: str, meant: object) -> None:
    """A span of an index, pinned releases, wheels, images; an older one comes first."""
    assert wanted(text) == meant


@pytest.mark.parametrize(
    "text", ["", "vllm", "vllm==1", "vllm>=1..2", "a==1,docker://b:1", "a==1,a==1", "x.whl", "a==1,b c"]
)
def test_what_is_no_list_of_releases(text: str) -> None:
    """It is told how to give one."""
    with pytest.raises(BisectionError, match=r"--versions"):
        wanted(text)


def test_a_span_takes_what_lies_between() -> None:
    """Ends are found however they are written; one that is not there, or the wrong way round, is told with what is there."""
    there = ["1.0", "1.1", "1.2", "1.10", "2.0rc1"]
    span = Span("t", "v1.1.0", "1.10.0")
    assert span.of(there) == [("1.1", "t==1.1"), ("1.2", "t==1.2"), ("1.10", "t==1.10")]
    assert not span.pre
    assert Span("t", "1.0", "2.0rc1").pre
    with pytest.raises(BisectionError, match=r"t 1\.3 is no release for this Python; there are 1\.0, 1\.1, 1\.2, 1\.10"):
        Span("t", "1.0", "1.3").of(there)
    with pytest.raises(BisectionError, match="give the older one first"):
        Span("t", "1.2", "1.1").of(there)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=4), st.integers(0, 3), st.sampled_from(["", "rc1", ".post1", "+cu1"])
)
def test_zeros_at_the_end_make_no_difference(release: list[int], zeros: int, rest: str) -> None:
    """As for pip: 1.2 is 1.2.0, and no other."""
    text = ".".join(map(str, release))
    assert plain(f"v{text}{'.0' * zeros}{rest}") == plain(f"{text}{rest}")
    assert plain(f"{text}.1{rest}") != plain(f"{text}{rest}")


def test_releases_are_a_history() -> None:
    """Each contains the one before; the first is the older end."""
    found = range_of([("1", "t==1"), ("2", "t==2"), ("3", "t==3")], "release")
    assert found.older == "1"
    assert [(commit.sha, commit.parents) for commit in found.commits] == [("2", ()), ("3", (0,))]
    assert found.short("0.33.0.post1+cu128") == "0.33.0.post1+cu128"


def test_a_command_in_an_environment(tmp_path: Path) -> None:
    """Its own programs come first, `{tree}` is it, relative paths begin where lockstep was called."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    config = {"argv": ["python", "{tree}/x"], "env": {"A": "{tree}"}, "cwd": None, "processes": 1, "launcher": "auto"}
    found = ENGINE.inside({"config": config, "env": {}, "cwd": None}, Runtime("/here", str(tmp_path)))
    assert found["config"]["argv"] == [f"{tmp_path}/bin/python", f"{tmp_path}/x"]
    assert found["cwd"] == "/here"
    assert found["env"]["A"] == found["env"]["VIRTUAL_ENV"] == str(tmp_path)
    assert found["env"]["PATH"].startswith(f"{tmp_path}/bin:")
    with pytest.raises(NotInCheckout, match="no such program in this release"):
        ENGINE.inside({"config": {**config, "argv": ["{tree}/bin/serve"]}}, Runtime("/here", str(tmp_path)))


def test_the_first_bad_release(tmp_path: Path) -> None:
    """One that was yanked, one that does not install and one for another Python are no obstacle; environments are kept and
    used again, and the report says what differs."""
    bodies = {"1.0": GOOD, "1.1": BAD, "1.2": GOOD, "1.4": BAD, "1.5": BAD}
    options = index(tmp_path / "wheels", "toypkg", bodies, yanked="1.1")
    wheel(tmp_path / "wheels", "toypkg", "1.3", BAD, needs="nobody-has-this==1")
    wheel(tmp_path / "wheels", "toypkg", "1.6", BAD, tag="cp27-none-any")
    folder = ["--pip", f"{options} --find-links wheels"]
    done = bisect(tmp_path, "--versions", "toypkg==1.0..1.5", *folder, "--confidence", "0.9")
    found = report(tmp_path)
    assert json.loads(done.stdout) == found
    skipped = {line["commit"]: line["skipped"] for line in found["commits"] if line["skipped"]}
    assert set(skipped) <= {"1.1", "1.3"}
    assert skipped.get("1.1", "this release was yanked") == "this release was yanked"
    # The one that cannot be installed lies before the culprit: it may be that itself.
    assert (done.returncode, found["found"]) == ((1, ["1.3", "1.4"])), done.stderr
    assert skipped["1.3"].startswith("it cannot be installed: ERROR: ")
    assert "releases; case toy" in done.stderr
    marks = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "lockstep").glob("toypkg-*/lockstep.json")}
    assert {path.parent.name.split("-")[1] for path in marks} == {"1.0", "1.2", "1.4", "1.5"}
    again = bisect(tmp_path, "--versions", "toypkg==1.2,toypkg==1.4,toypkg==1.5", *folder, "--state", "other")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in marks} == marks
    assert "1.4 is the first bad release" in again.stderr
    assert "    toypkg 1.2 -> 1.4" in again.stderr
    assert json.loads(again.stdout)["noun"] == "release"


def test_wheels_on_disk_and_the_first_fixed(tmp_path: Path) -> None:
    """Wheels are named by paths; with `--find fixed` the older end is bad."""
    paths = [
        wheel(tmp_path / "dist", "toypkg", version, body) for version, body in (("1.0", BAD), ("1.1", GOOD), ("1.2", GOOD))
    ]
    texts = ",".join(str(path.relative_to(tmp_path)) for path in paths)
    done = bisect(tmp_path, "--versions", texts, "--find", "fixed", "--pip=--no-index")
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["found"] == ["toypkg-1.1"]
    assert "first fixed release" in done.stderr
    resumed = [LOCKSTEP, "bisect", "--resume", "--state", "state"]
    again = subprocess.run(resumed, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert again.returncode == 0, again.stderr
    assert "3 launches are on disk and are not repeated" in again.stderr
    assert "toypkg-1.1 is the first fixed release" in again.stderr
    verdict = json.loads(next((tmp_path / "state").glob("launches/*toypkg-1.0*/cases/*/verdict.json")).read_text())
    words = shlex.split(verdict["rerun"])
    assert words[:2] == ["lockstep", "run"]
    env = {**os.environ, "PATH": os.defpath}
    rerun = [LOCKSTEP, *words[1:], "--device", "cpu", "--reports", str(tmp_path / "reports")]
    assert subprocess.run(rerun, env=env, capture_output=True, timeout=200, check=False).returncode == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_install_leaves_no_half_environment(signum: signal.Signals, tmp_path: Path) -> None:
    """After Ctrl-C nothing runs and nothing is there; after kill -9 nothing runs, and the half is made anew by the next."""
    options = index(tmp_path / "wheels", "toypkg", {"1.0": GOOD, "1.1": BAD})
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *" venv "*) for last; do :; done; mkdir -p "$last"; touch {tmp_path}/begun\n'
        f'[ -e {tmp_path}/quick ] || sleep 600;; esac\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    words = ["--versions", "toypkg==1.0..1.1", "--pip", options, "--python", str(python)]
    (tmp_path / "toy.yaml").write_text(SCENARIO)
    mark = f"releases-{os.getpid()}-{signum}"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "LOCKSTEP_TEST_MARK": mark}
    head = subprocess.Popen(
        [LOCKSTEP, "bisect", "toy.yaml", "--device", "cpu", "--state", "first", *words],
        cwd=tmp_path, env=env, stderr=subprocess.DEVNULL, preexec_fn=hear_interrupts,
    )  # fmt: skip
    assert wait_until((tmp_path / "begun").exists, 100)
    head.send_signal(signum)
    assert head.wait(60) == (130 if signum == signal.SIGINT else -9)
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 60)
    halves = [path for path in (tmp_path / "cache" / "lockstep").iterdir() if path.is_dir()]
    assert bool(halves) == (signum == signal.SIGKILL)
    assert not list((tmp_path / "cache").rglob("lockstep.json"))
    (tmp_path / "quick").touch()
    done = bisect(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["found"] == ["1.1"]


@pytest.mark.usefixtures("own_handlers")
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with what to do, and nothing begun."""
    options = index(tmp_path / "wheels", "toypkg", {"1.0": GOOD, "1.1": BAD})
    (tmp_path / "toy.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)

    def refused(*words: str, scenario: str = "toy.yaml") -> str:
        assert cli.main(["bisect", scenario, "--state", "state", *words]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Traceback" not in captured.err
        assert not (tmp_path / "state").exists()
        return captured.err

    absent = "toypkg 1.2 is no release for this Python; there are 1.0, 1.1"
    assert absent in refused("--versions", "toypkg==1.0..1.2", "--pip", options)
    assert "pip knows no release" in refused("--versions", "nosuch==1..2", "--pip", options)
    assert "--repo: releases are installed, not checked out" in refused("--versions", "a==1..2", "--repo", ".")
    assert "--with: of releases only, with --versions" in refused("--repo", ".", "--good", "a", "--bad", "b", "--with", "c")
    assert "--repo, --good, --bad are missing, or --versions" in refused()
    assert "--versions '': give NAME==OLD..NEW, or two or more of " in refused("--versions", "")
    assert "--good '': give a commit that does not hang" in refused("--repo", ".", "--good", "", "--bad", "b")
    assert "--python /nowhere: no Python interpreter" in refused("--versions", "a==1,a==2", "--python", "/nowhere")
    nowhere = "--python /nowhere: no Python interpreter: No such file or directory; give the path of one"
    assert nowhere in refused("--versions", "a==1..2", "--python", "/nowhere")
    silent = refused("--versions", "toypkg==1.0..1.1", "--pip", options, "--python", "/bin/true")
    assert "--python /bin/true: no Python interpreter: it does not tell its version" in silent
    wheels = "a-1.0-py3-none-any.whl,a-1.1-py3-none-any.whl"
    assert "--versions a-1.0-py3-none-any.whl: there is no such wheel in " in refused("--versions", wheels)
    ranks = str(Path(__file__).parent / "two_ranks.yaml")
    assert "engine 'minimal' cannot run a release" in refused("--versions", "a==1..2", scenario=ranks)
    monkeypatch.setenv("PATH", str(tmp_path))
    images = refused("--versions", "docker://a:1,docker://a:2")
    assert "neither podman nor docker is on PATH here; install one" in images


MOCK = """#!{python}
import os, subprocess, sys
log = open({log!r}, "a")
log.write(repr(sys.argv[1:]) + "\\n")
log.close()
if sys.argv[1] == "run":
    image = next(number for number, word in enumerate(sys.argv) if word.startswith("r/i:"))
    tag = sys.argv[image].rpartition(":")[2]
    if tag == "3":
        sys.exit(7)
    os.execvp(sys.argv[image + 1], sys.argv[image + 1:])
sys.exit(1 if sys.argv[1] == "pull" and sys.argv[2].endswith(":2") else 0)
"""


def test_images_by_a_tool_that_only_looks_like_podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no container tool where tests run, so a program called podman stands for it: it shows the command lines, and
    that pulls that fail are skipped. That a real one runs them so is not tested."""
    bin = tmp_path / "bin"
    bin.mkdir()
    mock = bin / "podman"
    mock.write_text(MOCK.format(python=sys.executable, log=str(tmp_path / "log")))
    mock.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    assert container_tool() == str(mock)
    words = Container("/here", "podman", ("--gpus", "all")).command("r/i:1", "name")
    assert words[:2] == ("podman", "run")
    assert words[-5:] == ("--entrypoint", "", "--gpus", "all", "r/i:1")
    assert "LOCKSTEP_ATTACH" in words and "LOCKSTEP_PLAN" not in words
    (tmp_path / "true.yaml").write_text(
        SCENARIO.replace('[python, -c, "import toypkg; toypkg.run()"]', "[python, -c, pass]")
    )
    spec = "docker://r/i:1,docker://r/i:2,docker://r/i:3"
    done = subprocess.run(
        [LOCKSTEP, "bisect", "true.yaml", "--device", "cpu", "--state", "state", "--versions", spec],
        cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = report(tmp_path)
    assert (found["noun"], found["found"]) == ("image", ["r/i:2", "r/i:3"])
    log = (tmp_path / "log").read_text()
    assert "'rm', '--force', 'lockstep-" in log
    assert "first bad image" in done.stderr
