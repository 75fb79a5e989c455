"""The job of Slurm in which this process runs: its nodes, what time it has left, and whether it is being ended."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime

from lockstep.harness.launch.errors import LaunchError

JOB = "SLURM_JOB_ID"
COUNT = re.compile(r"(\d+)(?:\(x(\d+)\))?")
GOING_ON = ("RUNNING", "SUSPENDED")
ASK_S = 30.0


def number(environ: Mapping[str, str] | None = None) -> str:
    """The number of the job; empty outside an allocation."""
    return (os.environ if environ is None else environ).get(JOB, "")


def nodes(environ: Mapping[str, str] | None = None) -> list[tuple[str, int]]:
    """Its nodes, each with the ranks that it has room for: the tasks that were asked for, else its CPUs.

    Raises LaunchError.
    """
    environ = os.environ if environ is None else environ
    names = ask("scontrol", "show", "hostnames", environ.get("SLURM_JOB_NODELIST", "")).split()
    tasks = "SLURM_TASKS_PER_NODE" if "SLURM_NTASKS" in environ else "SLURM_JOB_CPUS_PER_NODE"
    text = environ.get(tasks) or environ.get("SLURM_TASKS_PER_NODE", "")
    slots = counts(text)
    if not names or len(slots) != len(names):
        raise LaunchError(f"Slurm job {number(environ)}: {len(names)} nodes ({', '.join(names)}), and {tasks} is {text!r}")
    return list(zip(names, slots, strict=True))


def counts(text: str) -> list[int]:
    """Slurm's short form of a number for each node: `4(x2),1` is 4, 4, 1. Empty where it is none."""
    found: list[int] = []
    for word in filter(None, text.split(",")):
        match = COUNT.fullmatch(word)
        if match is None:
            return []
        found += [int(match[1])] * int(match[2] or 1)
    return found


def left_s() -> float | None:
    """How long the allocation has until its limit of time; None where there is no allocation, or no limit."""
    return None if not number() else seconds_until(_facts().get("EndTime", ""), datetime.now())


def seconds_until(end: str, now: datetime) -> float | None:
    """From now to a time as Slurm writes it, in the same time zone; None where it writes none."""
    try:
        return max(0.0, (datetime.fromisoformat(end) - now).total_seconds())
    except ValueError:  # Unknown, NONE
        return None


def ending() -> str:
    """Why the allocation is coming to its end before its time; empty while it is not, and outside one.

    Slurm notes it before it sends a signal. So whatever a signal of Slurm has done to ranks, this says so.
    """
    if not number():
        return ""
    try:
        facts = _facts()
    except LaunchError:
        return ""  # it cannot be asked now, and ends nothing either
    state = facts.get("JobState", "")
    if state not in GOING_ON:
        return f"Slurm job {number()} is {state or 'gone'}"
    if _is_time(preempted := facts.get("PreemptTime", "")):
        return f"Slurm job {number()} is preempted since {preempted}"
    # From then on it gets no more steps, and up to half a minute later its end.
    over = seconds_until(facts.get("EndTime", ""), datetime.now()) == 0.0
    return f"Slurm job {number()} has reached its limit of time" if over else ""


def ask(*argv: str, errors: bool = False) -> str:
    """What a command of Slurm prints; with `errors` also what it prints on stderr. Raises LaunchError with its complaint."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LaunchError(f"{argv[0]} cannot be asked: {error}") from error
    if done.returncode != 0:
        raise LaunchError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout + (done.stderr if errors else "")


def _is_time(text: str) -> bool:
    return seconds_until(text, datetime.now()) is not None


def _facts() -> dict[str, str]:
    told = ask("scontrol", "show", "job", "--oneliner", number())
    return dict(pair for word in told.split() if len(pair := word.split("=", 1)) == 2)
