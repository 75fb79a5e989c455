"""Events: the ring, the recorder that engines import, and a rank's state as its events tell it."""

from lockstep.harness.trace.event import Kind, Need, Record
from lockstep.harness.trace.handles import Comm
from lockstep.harness.trace.recorder import Recorder

__all__ = ["Comm", "Kind", "Need", "Record", "Recorder"]
