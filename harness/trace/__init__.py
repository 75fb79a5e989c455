"""Events: the ring, the recorder that engines import, and a rank's state as its events tell it."""

from harness.trace.event import Kind, Need, Record
from harness.trace.recorder import Comm, Recorder

__all__ = ["Comm", "Kind", "Need", "Record", "Recorder"]
