"""What data planes on a GPU share: a collective is handed to the stream, or noted while a graph is captured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.engines.minimal.comm.data_plane import DataPlane
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.harness.trace import Comm


class DevicePlane(DataPlane):
    """A data plane whose collectives run on the current stream."""

    def __init__(self, meeting: Meeting, crumbs: Breadcrumbs) -> None:
        super().__init__()
        self.size, self.rank = meeting.control.size, meeting.control.rank
        self._recorder, self._crumbs = meeting.recorder, crumbs

    @contextmanager
    def _handed(self, comm: Comm, op: str, size: int) -> Iterator[None]:
        """Hand a collective to the stream inside; the device marks where it enters and leaves."""
        if self.capturing:
            self.note(comm, op, size)
        else:
            self._recorder.launch(comm, op, size)
        with self._crumbs.around(comm, op):
            yield
