"""Writes events through the native recorder, drawn by a seed. argv: the library, the seed, how many, how many threads."""

from __future__ import annotations

import ctypes
import json
import random
import sys
import threading

from lockstep.harness.attach.native import Native, NativeRecorder
from lockstep.harness.trace.event import Kind, Need, Took

TAGS = (0, 1, 2)


def write(recorder: NativeRecorder, comms: list[int], rng: random.Random, events: int, together: threading.Barrier) -> None:
    """Whatever one thread may write."""
    together.wait()
    verbs = [recorder.string("send"), recorder.string("recv")]
    others = [recorder.string(name) for name in ("barrier", "bcast")]
    for number in range(1, events + 1):
        comm, peer, tag = rng.choice(comms), rng.choice((-1, 0, 1, 2)), rng.choice((-1, *TAGS))
        match rng.randrange(6):
            case 0:
                recorder.write(Kind.ENTER, comm, number, rng.choice(verbs), Need.RECV, peer, tag, -1)
            case 1:
                recorder.write(rng.choice((Kind.ENTER, Kind.POST)), comm, number, rng.choice(others), Need.ALL, -1, 0, -1)
            case 2:
                recorder.write(Kind.EXIT, comm, number, verbs[1])
            case 3:
                took = rng.choice(list(Took))
                recorder.write(
                    rng.choice((Kind.TOOK, Kind.EXIT)), comm, number, verbs[1], took, max(peer, 0), max(tag, 0),
                    tag, peer + 1,
                )  # fmt: skip
            case 4:
                recorder.write(Kind.CANCEL, comm, number, verbs[1], rng.randrange(2), peer, tag)
            case 5:
                for _ in range(2):
                    recorder.write(Kind.PART, comm, number, verbs[1], Need.RECV, 1, 1, -1)
                recorder.write(Kind.ENTER, 0, 0, recorder.string("waitany"), Need.EITHER, 0, 0, 2)
    together.wait()  # the number of a thread that has ended is given to another


def main() -> None:
    """Make the ring, announce communicators, write."""
    library, seed, events, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    native = Native(ctypes.PyDLL(library))
    ring = native.ring()
    if ring is None:
        sys.exit("no supervisor")
    recorder = NativeRecorder(native, ring[0])
    rng = random.Random(seed)
    comms = []
    for name in ("one", "two"):
        comms.append(next(recorder._comms))
        about = {"kind": "mpi", "name": name, "members": [0, 1, 2], "instance": 1}
        recorder.write(Kind.COMM, comms[-1], 0, recorder.string(json.dumps(about)))
    together = threading.Barrier(threads)
    workers = [
        threading.Thread(target=write, args=(recorder, comms, random.Random(rng.random()), events, together))
        for _ in range(threads - 1)
    ]
    for worker in workers:
        worker.start()
    write(recorder, comms, rng, events, together)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
