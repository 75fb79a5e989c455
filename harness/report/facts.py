"""How a run came about: its command, when, how long, on which machine, with which versions. For the head of its reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lockstep.harness.report.line import Line
from lockstep.harness.shell import command_line


def facts(run: Mapping[str, Any], lines: Sequence[Line]) -> list[tuple[str, str]]:
    """Names and values, of what is known."""
    found = run.get("environment") or {}
    hosts = [str(host.get("name", "")) for host in found.get("hosts") or ()] or [str(found.get("host") or "")]
    libraries = found.get("libraries") or {}
    mpi = found.get("mpi") or {}
    commits = dict.fromkeys(line.engine_commit[:12] for line in lines if line.engine_commit)
    devices = dict.fromkeys(line.device for line in lines if line.device)
    rows = [
        ("command", command_line([Path(str(run["argv"][0])).name, *run["argv"][1:]]) if run.get("argv") else ""),
        ("started", str(run.get("started", ""))[:19].replace("T", " ")),
        ("duration", _duration(str(run.get("started", "")), lines)),
        ("device", ", ".join(devices)),
        ("hosts", ", ".join(hosts[:8]) + (f" and {len(hosts) - 8} more" if len(hosts) > 8 else "")),
        ("machine", " ".join(map(str, filter(None, (found.get("cores"), "cores," if found.get("cores") else "",
                                                    found.get("platform")))))),
        ("Lockstep", " ".join(filter(None, (str(found.get("lockstep") or ""), str(found.get("commit") or "")[:12])))),
        ("engine commit", ", ".join(commits)),
        ("Python", str(found.get("python") or "")),
        ("MPI", str(mpi.get("version") or mpi.get("error") or "")),
        ("libraries", ", ".join(f"{name} {version}" for name, version in libraries.items() if version)),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def _duration(started: str, lines: Sequence[Line]) -> str:
    try:
        ends = [datetime.fromisoformat(line.recorded) for line in lines if line.recorded]
        seconds = (max(ends) - datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
