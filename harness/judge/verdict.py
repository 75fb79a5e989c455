"""The verdict of a case: outcome, cause, findings, blame, evidence. Plain data; `to_json` is the format on disk.

The format is documented in docs/verdicts.md and versioned by `SCHEMA`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lockstep.harness.vocabulary import Cause, FindingKind, Outcome

SCHEMA = "lockstep.verdict/1"


SIGABRT = -6


def cause_of_status(code: int | None) -> Cause:
    """Why a process that left no word has ended, by its exit status (negative: a signal; None: not known)."""
    return Cause.ABORT if code is None or code >= 0 or code == SIGABRT else Cause.SIGNAL


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a sentence for people, and its facts for programs."""

    kind: FindingKind
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blame:
    """The ranks that caused it, and the decision, error or missing collective by which they did.

    `by` is one of `decision`, `raised`, `died`, `returned`, `collective`, `message`, `running`. `phase`, `shape`, `choice`
    and `detail` are those of the blamed ranks; `choices` maps each choice to the ranks that made it.
    """

    ranks: tuple[int, ...]
    by: str
    text: str
    site: str = ""
    phase: str = ""
    shape: str = ""
    choice: str = ""
    detail: str = ""
    choices: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitLine:
    """One wait of a stuck rank: where it waits and for whom."""

    rank: int
    comm: str  # key, the same on every member
    kind: str  # of the communicator: mpi, gloo, nccl ...
    name: str  # of the communicator: world, tp ...
    op: str
    seq: int
    phase: str
    shape: str
    lacks: tuple[int, ...]
    stream: bool = False  # a device stream waits, not a thread
    graph: str = ""  # the replayed graph that the stream is in
    site: str = ""  # the program's line that waits, where it is known
    limit_s: int = 0  # after how many seconds its library ends it, with an error, where that is a limit of the program's
    lacks_more: int = 0  # ranks that it lacks too and that are not listed, where thousands wait for thousands


@dataclass(frozen=True, slots=True)
class ProcessWait:
    """One wait of a stuck process that is no rank: in what it sleeps, where, and who could end that."""

    host: str
    pid: int
    program: str  # its name, without folder and arguments
    op: str  # the call that it sleeps in, as the kernel knows it
    site: str  # the line of a Python program
    lacks: tuple[int, ...]  # ranks
    lacks_processes: tuple[int, ...]  # process ids, on the same host

    @staticmethod
    def from_json(raw: dict[str, Any]) -> ProcessWait:
        """As it was written down."""
        return ProcessWait(**{**raw, "lacks": tuple(raw["lacks"]), "lacks_processes": tuple(raw["lacks_processes"])})


@dataclass(frozen=True, slots=True)
class RankEnd:
    """How one rank ended, or stood when the verdict fell."""

    rank: int
    status: str  # running, blocked, raised, returned, aborted, unable, dead
    phase: str = ""
    shape: str = ""
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    exit_code: int | None = None  # of the process; negative: a signal
    milestones: int = 0
    events: int = 0
    host: str = ""
    pid: int = 0
    result: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None  # device, driver, libraries, memory
    host_memory_bytes: int | None = None  # the most that its process had of the host's memory


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A host's part in a case. Versions are those that the ranks import; empty: not installed."""

    host: str
    address: str
    ranks: tuple[int, ...]  # of a program: its launched commands
    python: str
    torch: str
    mpi4py: str
    # seconds, against the watchdog's host; None: not measured
    wall_clock_ahead_s: float | None = None
    clock_within_s: float | None = None  # how exactly its clocks are known


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the harness says of one case."""

    outcome: Outcome
    cause: Cause = Cause.NONE
    text: str = ""  # one or two sentences for people
    proved: bool | None = None  # for a hang only
    launch: int = 1  # of the case's launches, from 1: the one that this verdict is of
    knot: tuple[WaitLine, ...] = ()
    knot_processes: tuple[ProcessWait, ...] = ()
    blame: Blame | None = None
    findings: tuple[Finding, ...] = ()
    signature: str = ""
    ranks: tuple[RankEnd, ...] = ()
    nodes: tuple[NodeReport, ...] = ()
    # seconds; None where it has no meaning
    last_block_to_verdict_s: float | None = None
    start_to_verdict_s: float | None = None
    # counted by the watchdog
    snapshots_judged: int = 0
    candidates_refuted: int = 0
    events: int = 0
    events_lost: int = 0

    def to_json(self) -> dict[str, Any]:
        """As JSON-able data; enums become their words."""
        raw = {"schema": SCHEMA, **asdict(self), "outcome": self.outcome.value, "cause": self.cause.value}
        for finding in raw["findings"]:
            finding["kind"] = finding["kind"].value
        return raw

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Verdict:
        """The inverse of `to_json`. Raises ValueError on another schema."""
        if raw.get("schema") != SCHEMA:
            raise ValueError(f"verdict has schema {raw.get('schema')!r}, this lockstep reads {SCHEMA!r}")
        data = {key: value for key, value in raw.items() if key in Verdict.__dataclass_fields__}
        data["outcome"] = Outcome(data["outcome"])
        data["cause"] = Cause(data["cause"])
        data["knot"] = tuple(WaitLine(**{**w, "lacks": tuple(w["lacks"])}) for w in data["knot"])
        data["knot_processes"] = tuple(ProcessWait.from_json(one) for one in data.get("knot_processes", ()))
        blame = data["blame"]
        data["blame"] = None if blame is None else Blame(**{**blame, "ranks": tuple(blame["ranks"])})
        data["findings"] = tuple(Finding(FindingKind(f["kind"]), f["text"], f["facts"]) for f in data["findings"])
        data["ranks"] = tuple(RankEnd(**r) for r in data["ranks"])
        data["nodes"] = tuple(NodeReport(**{**n, "ranks": tuple(n["ranks"])}) for n in data.get("nodes", ()))
        return Verdict(**data)
