"""The line of one process that was looked at from outside, for people. Pure."""

from __future__ import annotations

from lockstep.harness.judge.observation import KernelWait, Observation

STATES = {
    "D": "cannot be woken",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
    "Z": "ended",
}
OF_COURSE = ("futex", "")  # says no more than that it sleeps, or computes


def line(one: Observation, seconds: float) -> str:
    """`rank 1 (node, process 12, train.py): in barrier at train.py:31 in main; has not run for 3 s`."""
    who = f"rank {one.rank}" if one.rank is not None else "no rank"
    return f"{who} ({one.host}, process {one.pid}, {one.name}): {'; '.join(_parts(one, seconds))}"


def _parts(one: Observation, seconds: float) -> list[str]:
    if one.gone:
        return ["ended while it was looked at"]
    where = one.standing.text or ("in no line of the program" if one.stack else f"no stack ({one.error})")
    return [part for part in (where, _kernel(one.wait), _motion(one, seconds)) if part]


def _kernel(wait: KernelWait | None) -> str:
    if wait is None:
        return ""
    if wait.state in STATES:
        return STATES[wait.state] + (f" in {wait.where}" if wait.where and wait.state == "D" else "")
    peer = f" with {wait.peer}" if wait.peer else ""
    return f"the kernel says {wait.call}{peer}" if wait.call not in OF_COURSE else ""


def _motion(one: Observation, seconds: float) -> str:
    if one.stopped or one.ran is None:
        return ""
    if one.moved:
        return "moves"
    if one.asleep:
        return f"has not run for {seconds:.0f} s"
    return f"at the same place for {seconds:.0f} s, in which it used {one.ran:.1f} s of a processor" if one.stack else ""
