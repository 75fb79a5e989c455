"""The words of a verdict: outcomes, causes, kinds of finding, and the mechanism classes of scenarios. Each stands here once.

Scenarios, waives, the judge and all reports take them from here, so that whatever is judged can also be expected.
"""

from __future__ import annotations

import enum


class Outcome(str, enum.Enum):
    """What happened to a case."""

    SUCCESS = "success"
    RAISE = "raise"
    HANG = "hang"
    CRASH = "crash"
    SLOW = "slow"
    INVALID = "invalid"


class Cause(str, enum.Enum):
    """Why, within an outcome; which causes belong to which outcome is in `CAUSES`."""

    NONE = ""
    ALL_RANKS = "all-ranks"
    SOME_RANKS = "some-ranks"
    DEADLOCK = "deadlock"
    ORPHANED = "orphaned"
    MISMATCH = "mismatch"  # all have come, to different operations
    LIVELOCK = "livelock"
    STALL = "stall"
    SIGNAL = "signal"
    ABORT = "abort"
    OOM_KILL = "oom-kill"
    DEVICE_ERROR = "device-error"
    LAUNCH = "launch"
    NODE_LOST = "node-lost"
    SCENARIO = "scenario"
    HARNESS = "harness"
    INTERRUPTED = "interrupted"  # by the user, before anything was certain


CAUSES: dict[Outcome, tuple[Cause, ...]] = {
    Outcome.SUCCESS: (Cause.NONE,),
    Outcome.RAISE: (Cause.ALL_RANKS, Cause.SOME_RANKS),
    Outcome.HANG: (Cause.DEADLOCK, Cause.ORPHANED, Cause.MISMATCH, Cause.LIVELOCK, Cause.STALL),
    Outcome.CRASH: (Cause.SIGNAL, Cause.ABORT, Cause.OOM_KILL, Cause.DEVICE_ERROR),
    Outcome.SLOW: (Cause.NONE,),
    Outcome.INVALID: (Cause.LAUNCH, Cause.NODE_LOST, Cause.SCENARIO, Cause.HARNESS, Cause.INTERRUPTED),
}


class FindingKind(str, enum.Enum):
    """What rides on any outcome."""

    MISPAIRED = "mispaired"
    DIFFERING_DATA = "differing-data"
    DIVERGENT_DECISION = "divergent-decision"
    LEAK = "leak"
    GRAPH_MISMATCH = "graph-mismatch"
    SKIPPED_SHAPE = "skipped-shape"  # the warm-up left a shape out
    WRONG_RESULT = "wrong-result"
    EVIDENCE_LOST = "evidence-lost"
    SECOND_OPINION = "second-opinion"
    UNEVEN_HOSTS = "uneven-hosts"
    SILENT_HOST = "silent-host"
    NOT_VISIBLE = "not-visible"
    UNWAITED_REQUEST = "unwaited-request"
    UNRECEIVED_MESSAGE = "unreceived-message"
    UNFREED_COMMUNICATOR = "unfreed-communicator"


class Mechanism(str, enum.Enum):
    """What diverges between ranks in a scenario: its class. `MECHANISMS` says each in a sentence."""

    M1 = "M1-capacity-gate"
    M2 = "M2-partial-failure"
    M3 = "M3-idle-rank-skip"
    M4 = "M4-lifecycle-drift"
    M5 = "M5-mode-or-bucket-divergence"
    M6 = "M6-cache-hit-divergence"
    M7 = "M7-warmup-skew-deadline"
    M8 = "M8-role-asymmetry"
    M9 = "M9-ordering"
    M10 = "M10-cache-scheduler-drift"
    M11 = "M11-stale-protocol-state"
    M12 = "M12-agreement-livelock"
    M13 = "M13-graph-transport"
    M14 = "M14-wrong-group"


MECHANISMS: dict[Mechanism, str] = {
    Mechanism.M1: "A rank's own capacity decides whether it enters a forward that has collectives.",
    Mechanism.M2: "One rank raises, dies or cleans up alone, and its peers are not told.",
    Mechanism.M3: "A rank without work leaves out a step that its peers run.",
    Mechanism.M4: "Ranks hold different copies of a state that is meant to be global: running, paused, finished.",
    Mechanism.M5: "In the same step ranks run different modes or padded sizes.",
    Mechanism.M6: "A cache that is warm on some ranks changes how many collectives they issue.",
    Mechanism.M7: "A collective with a deadline comes before all ranks are ready for it.",
    Mechanism.M8: "Something exists or runs on some ranks only: the last pipeline stage, a coordinator.",
    Mechanism.M9: "All ranks run all operations, but in another order or over another channel.",
    Mechanism.M10: "A rank's physical state decides what it schedules: free blocks, clocks, transfers.",
    Mechanism.M11: "A swallowed error leaves a protocol of two steps half done.",
    Mechanism.M12: "Ranks agree as they should, and one can veto for ever.",
    Mechanism.M13: "Ranks agree, but the capture of graphs and the transport below it do not get on.",
    Mechanism.M14: "A collective runs on another group than those that take part.",
}
