"""Cases, verdicts and events that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lockstep.harness.judge.verdict import Blame, Finding, RankEnd, Verdict, WaitLine
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.case import Case, Expectation, Limits
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import Delta, Ring
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome

ENVIRONMENT = {"python": "3.12.1", "torch": "2.13.0", "cores": 2}
NAMES = (
    "generation-capture-asymmetric[guards.generation_capture=none]",
    "generation-capture-asymmetric[guards.generation_capture=agree]",
    "autotuner-asymmetric",
)


def case(ident: str, path: str = "scenarios/tensorrt_llm/capture.yaml") -> Case:
    """A case of that id."""
    return Case(
        id=ident,
        scenario=ident.partition("[")[0],
        path=path,
        source="NVIDIA/TensorRT-LLM#14986",
        summary="One rank is short.",
        tags=("capture",),
        engine="minimal",
        ranks=4,
        point={"guards.generation_capture": "none"},
        spec={"parallel": {"tp": 4}},
        limits=Limits(),
        expect=Expectation(
            outcome="hang",
            cause="deadlock",
            proved=True,
            blame=(3,),
            error=None,
            decision=None,
            skipped=None,
            findings=None,
            absent_findings=None,
        ),
    )


def hang() -> Verdict:
    """A proved hang with everything that a verdict can hold."""
    wait = WaitLine(0, "mpi:tp#1@ab", "mpi", "tp", "allgather", 7, "generation_capture", "bs=32", (3,))
    return Verdict(
        outcome=Outcome.HANG,
        cause=Cause.DEADLOCK,
        text="Ranks 0-2 wait in allgather 7 of mpi:tp for rank 3, for ever.",
        proved=True,
        knot=(wait,),
        blame=Blame(
            ranks=(3,),
            by="decision",
            text="Rank 3 left out bs=32 in generation_capture: free_blocks=24 needed_blocks=32.",
            site="generation_capture.request",
            phase="generation_capture",
            shape="bs=32",
            choice="left-out",
            detail="free_blocks=24 needed_blocks=32",
            choices={"run": [0, 1, 2], "left-out": [3]},
        ),
        findings=(Finding(FindingKind.DIVERGENT_DECISION, "Ranks differ at bs=32.", {"first": 3}),),
        signature="9f86d081884c7d65",
        ranks=tuple(RankEnd(rank, "blocked", "generation_capture", "bs=32", result={"tokens": []}) for rank in range(4)),
        last_block_to_verdict_s=0.21,
        start_to_verdict_s=4.2,
        snapshots_judged=9,
        events=1234,
    )


def success() -> Verdict:
    """A clean run."""
    return Verdict(Outcome.SUCCESS, text="All 4 ranks finished.", start_to_verdict_s=3.1)


def store(root: Path, names: Sequence[str] = NAMES) -> RunStore:
    """A new run that plans cases of these ids."""
    return RunStore.create(root, None, ["lockstep", "run", "scenarios"], ENVIRONMENT, [case(name) for name in names])


def judged_run(root: Path) -> Path:
    """The folder of a run of one case, `a`, that was judged, and not as expected."""
    made = RunStore.create(root, "one", ["lockstep"], ENVIRONMENT, [case("a")])
    made.record(CaseRecord(case("a"), hang(), False, ["cause"], "again", 1.0))
    return made.path


def deltas() -> list[Delta]:
    """What a real recorder writes in a short start-up, as three reads of its ring."""
    ring = Ring(rank=1, world=2, capacity=64)
    recorder = Recorder(ring.memory, ring.capacity, rank=1)
    found: list[Delta] = []
    tp = recorder.comm("mpi", "tp", [2, 1])
    with recorder.phase("autotuner"), recorder.collective(tp, "allgather", size=2):
        pass
    found.append(ring.read())
    with recorder.phase("generation_capture"):
        recorder.shape("bs=32 größte")
        recorder.decision("generation_capture.request", "bs=32", "left-out", "free_blocks=24 needed_blocks=32", True)
        found.append(ring.read())
    recorder.collective(tp, "broadcast", root=0)
    recorder.raised(RuntimeError("short of blocks"))
    found.append(ring.read())
    ring.close()
    return found
