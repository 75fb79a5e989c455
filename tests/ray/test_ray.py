"""Actors of a small cluster that the command starts, under `lockstep watch`; Ray and the program are as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.host.polling import wait_until

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-ray" / "bin" / "python"
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "lo", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


def words(what: str, *options: str) -> list[str]:
    """The command line."""
    return [LOCKSTEP, "watch", *options, "--json", "--", str(PYTHON), str(HERE / "program.py"), *([what] if what else [])]


def environment(mark: str) -> dict[str, str]:
    """With a variable by which all that was started is found again."""
    return {**os.environ, **ENVIRONMENT, "TEST_RAY": mark}


def left(mark: str) -> list[str]:
    """The processes that have the variable."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"TEST_RAY={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return found


def watch(what: str, folder: Path, *options: str) -> dict[str, Any]:
    """The verdict, after which nothing is left."""
    argv, env = words(what, *options), environment(str(folder))
    done = subprocess.run(
        argv,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.stdout, done.stderr[-3000:]
    assert wait_until(lambda: not left(str(folder)), 20), left(str(folder))
    verdict: dict[str, Any] = json.loads(done.stdout)
    verdict["stderr"] = done.stderr
    return verdict


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["", "slow", "idle"])
def test_clean_ends(what: str, tmp_path: Path) -> None:
    """Actors that meet, one that comes 40 s later, and a driver that waits for a slow actor beside idle ones succeed."""
    verdict = watch(what, tmp_path)
    assert (verdict["outcome"], verdict["cause"]) == ("success", ""), verdict["stderr"][-3000:]
    assert [one["rank"] for one in verdict["ranks"]] == ([] if what == "idle" else [0, 1])


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_killed_actor(tmp_path: Path) -> None:
    """Of two actors the one that was killed is named, without a deadline."""
    verdict = watch("kill", tmp_path)
    assert verdict["outcome"] == "crash", verdict["stderr"][-3000:]
    assert verdict["blame"]["ranks"] == [1]


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_different_collectives(tmp_path: Path) -> None:
    """Two actors in different collectives, for which a driver waits without a limit, end without a deadline, unproved."""
    verdict = watch("other", tmp_path)
    assert (verdict["outcome"], verdict["cause"], verdict["proved"]) == ("hang", "mismatch", False), verdict["stderr"][
        -3000:
    ]
    assert "all_reduce of 1 at " in verdict["text"]
    assert "barrier at " in verdict["text"]


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["timeout", "task"])
def test_different_collectives_that_a_driver_ends(what: str, tmp_path: Path) -> None:
    """A driver that ends actors which have waited for too long is left to do so, also from another task."""
    verdict = watch(what, tmp_path)
    assert "\nrecovered\n" in verdict["stderr"], verdict["stderr"][-3000:]
    assert verdict["outcome"] != "hang"


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("what", "ranks", "said"),
    [("leave-out", [1], ["all_reduce #3", "in step", "in main"]), ("get", None, ["in Lock.wait", "in main"])],
)
def test_what_is_not_proved(what: str, ranks: list[int] | None, said: list[str], tmp_path: Path) -> None:
    """An idle actor that others wait for, and one that is stuck, for which a driver waits, are named at a deadline."""
    verdict = watch(what, tmp_path, "--deadline", "60")
    assert (verdict["outcome"], verdict["cause"]) == ("hang", "stall"), verdict["stderr"][-3000:]
    assert verdict["proved"] is False
    assert (verdict["blame"] or {}).get("ranks") == ranks
    for part in said:
        assert part in verdict["text"]


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C ends the whole cluster."""
    folder = str(tmp_path)
    with subprocess.Popen(
        words("leave-out"), cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        try:
            assert wait_until(lambda: any("ray::Worker" in line for line in left(folder)), 120)
            one.send_signal(signal.SIGINT)
            one.communicate(timeout=100)
        finally:
            one.kill()
    assert one.returncode == 130
    assert wait_until(lambda: not left(folder), 20), left(folder)
