"""The nodes of a case, by what their supervisors told at their hello: how they differ, and who cannot be judged at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lockstep.harness.channel.identity import LIBRARIES, Identity
from lockstep.harness.judge.verdict import Finding, NodeReport
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.presence.clock_sync import HostClocks
from lockstep.harness.watchdog.presence.registry import Registry

GAP_S = 5.0  # a supervisor says something every second
WALL_S = 1.0  # a wall clock that is further off is told: what people read in logs of several hosts does not fit together


def nodes(registry: Registry, clocks: HostClocks) -> tuple[NodeReport, ...]:
    """One for each host, in the order of its first rank."""
    found: list[NodeReport] = []
    for numbers in registry.machines().values():
        hello = registry[numbers[0]].hello
        ahead = clocks.wall_ahead(numbers[0])
        ahead_s, within_s = (None, None) if ahead is None else (round(ahead[0], 6), round(ahead[1], 6))
        found.append(NodeReport(hello.host, hello.address, tuple(numbers), **hello.versions, wall_clock_ahead_s=ahead_s,
                          clock_within_s=within_s))  # fmt: skip
    return tuple(found)


def uneven(found: Sequence[NodeReport]) -> list[Finding]:
    """A finding where hosts differ in what their ranks run on, or in what they take for the time of day."""
    texts: list[str] = []
    facts: dict[str, Any] = {}
    for name in ("python", *LIBRARIES):
        by_version: dict[str, list[str]] = defaultdict(list)
        for node in found:
            by_version[getattr(node, name) or "none"].append(node.host)
        if len(by_version) > 1:
            facts[name] = dict(by_version)
            listed = ", ".join(f"{version} on {', '.join(hosts)}" for version, hosts in by_version.items())
            texts.append(f"hosts have different {name}: {listed}")
    off = {node.host: node.wall_clock_ahead_s for node in found if abs(node.wall_clock_ahead_s or 0.0) > WALL_S}
    for host, ahead_s in off.items():
        side = "ahead of" if (ahead_s or 0.0) > 0 else "behind"
        texts.append(f"the wall clock of {host} is {abs(ahead_s or 0.0):.0f} s {side} that of the watchdog's host")
    if off:
        facts["wall_clock_ahead_s"] = off
    return [Finding(FindingKind.UNEVEN_HOSTS, "; ".join(texts), facts)] if texts else []


def gaps(registry: Registry, beat_s: float = 1.0) -> list[Finding]:
    """A finding where a host was not heard for a while and came back: what ranks did about it counts as their own doing."""
    found: list[Finding] = []
    for numbers in registry.machines().values():
        longest_s = max(registry[number].longest_s for number in numbers)
        if longest_s > max(GAP_S, 3 * beat_s):
            host = registry[numbers[0]].host
            text = f"{host} was not heard for {longest_s:.1f} s: what its ranks and their peers did then may come of that"
            found.append(Finding(FindingKind.SILENT_HOST, text, {"host": host, "seconds": round(longest_s, 3)}))
    return found


def stranger(registry: Registry, own: Identity) -> str | None:
    """Which host runs another Lockstep, and what to do; None: none does. `own`: the identity of the watchdog."""
    for numbers in registry.machines().values():
        for number in numbers:
            hello = registry[number].hello
            if hello.code != own["code"]:
                there, here = f"{hello.root} ({hello.code})", f"{own['root']} ({own['code']})"
                text = f"{registry.where([number])} runs another version of lockstep: {there} is not what {here} is here"
                return f"{text}; install the same version on all hosts"
    return None
