"""One rank's process: warms up with batches that fit, together with the others, by MPI."""

import json
import os
import time
from typing import Any

from mpi4py import MPI

from lockstep.harness.trace import Recorder


def warm_up(recorder: Recorder, rank: int, spec: dict[str, Any]) -> None:
    """Run every batch. A rank without room skips one alone, unless all agree on it first."""
    comm, room = MPI.COMM_WORLD, spec["tables"]["room"][rank]
    world, done = (recorder.comm("mpi", name, range(comm.size)) for name in ("world", "done"))
    with recorder.collective(world, "comm_dup"):
        last = comm.Dup()
    for batch in spec["tables"]["batches"]:
        recorder.shape(f"batch={batch}")
        fits = batch <= room
        if spec["agree"]:
            with recorder.collective(world, "allreduce fits"):
                fits = comm.allreduce(fits, MPI.LAND)
        recorder.decision("warmup.batch", f"batch={batch}", "run" if fits else "skip", f"room={room}", deviates=not fits)
        if fits:
            with recorder.collective(world, "allreduce batch", size=batch):
                comm.allreduce([rank] * batch)
        recorder.milestone(f"batch={batch}")
    with recorder.collective(done, "barrier"):
        last.Barrier()


def delay(spec: dict[str, Any], rank: int, phase: str) -> None:
    """The faults of this engine: at the start of a phase a rank may be slow."""
    time.sleep(sum(fault["seconds"] for fault in spec["faults"] if (fault["rank"], fault["phase"]) == (rank, phase)))


def main() -> None:
    """Tell the recorder how it goes, and how it ends; stay until the watchdog lets go."""
    recorder = Recorder.attach()
    rank, spec = int(os.environ["LOCKSTEP_RANK"]), json.loads(os.environ["LOCKSTEP_SPEC"])
    try:
        with recorder.phase("load"):
            delay(spec, rank, "load")
        with recorder.phase("warmup"):
            delay(spec, rank, "warmup")
            warm_up(recorder, rank, spec)
        recorder.returned()
    except Exception as error:
        recorder.raised(error)
    recorder.park()


if __name__ == "__main__":
    main()
