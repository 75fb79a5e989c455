"""Events: the ring, the recorder that engines import, and a rank's state as its events tell it."""

from harness.trace.event import Kind, Need, Record
from harness.trace.handles import Comm
from harness.trace.recorder import Recorder

__all__ = ["Comm", "Kind", "Need", "Record", "Recorder"]
