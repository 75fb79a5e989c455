"""One rank's process: `python -m lockstep.engines.minimal`, started by a supervisor."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from lockstep.engines.minimal import variants
from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.minimal.comm.mpi import finalize
from lockstep.engines.minimal.failure.faults import LeaveEarly
from lockstep.engines.minimal.rank import Rank
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


def main(make: Callable[[Settings, Recorder], Rank] = Rank) -> None:
    """Run the rank; record how it ends; stay, with sockets open, until it is released."""
    recorder = Recorder.attach()
    settings = Settings.from_environment()
    variants.check(settings)
    rank: Rank | None = None
    try:
        rank = make(settings, recorder)
        recorder.result(rank.run())
    except LeaveEarly:
        print("left early", file=sys.stderr, flush=True)
    except Unable as why:
        print(f"cannot run this scenario: {why}", file=sys.stderr, flush=True)
        recorder.unable(str(why))
        recorder.park()
        os._exit(1)
    except Exception as error:
        if rank is None:
            traceback.print_exc()
        else:
            rank.crash.failed(error)
        recorder.raised(error, device_lost=_device_lost())
        if settings.on_error == "park":
            recorder.park()
        os._exit(1)
    recorder.returned()
    recorder.park()
    finalize()


def _device_lost() -> bool:
    """Whether the device's context is dead. A rank that raised before it imported torch has none."""
    if "lockstep.engines.minimal.device.cuda" not in sys.modules:
        return False
    from lockstep.engines.minimal.device.cuda import device_lost

    return device_lost()


if __name__ == "__main__":
    main()
