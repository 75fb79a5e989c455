"""Arrivals: what comes to an engine core between its steps: requests, and messages of a client or the coordinator."""

from __future__ import annotations

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request, own_requests
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.data_parallel.waves import Waves
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.spec.groups import Message


class Arrivals:
    """Hands requests to the scheduler, and messages to whom they are for. `core`: all engine cores."""

    def __init__(
        self,
        context: RankContext,
        core: Communicator,
        inbox: Inbox,
        scheduler: Scheduler,
        waves: Waves,
        drafter: Drafter | None,
    ) -> None:
        self.context, self.core, self.inbox = context, core, inbox
        self.scheduler, self.waves, self.drafter = scheduler, waves, drafter
        self.elsewhere: dict[int, Request] = {}  # requests that have not come yet
        self.remote: dict[int, Request] = {}  # requests whose KV is still on its way here

    def begin(self) -> None:
        """Requests that no message brings are there from the start, and the client has started the first wave everywhere."""
        late = {message.request for message in self.inbox.messages if message.kind == "add_request"}
        remote = {message.request for message in self.inbox.messages if message.kind == "kv_arrived"}
        for request in own_requests(self.context.settings, self.core.rank, self.core.size):
            if request.ident in late:
                self.elsewhere[request.ident] = request
            elif request.ident in remote:
                self.remote[request.ident] = request
            else:
                self.scheduler.waiting.append(request)
        self.waves.begin()

    def process(self, steps: int) -> bool:
        """Take what has come after so many steps; without work, wait for more.

        False when there is neither work nor a message to come.
        """
        while not self.waves.has_work:
            message = self.inbox.wait()
            if message is None:
                return False
            self._handle(message, steps)
        while message := self.inbox.take(steps, self.waves.pausing):
            self._handle(message, steps)
        return True

    def _handle(self, message: Message, steps: int) -> None:
        match message.kind:
            case "add_request":
                self._add(self.elsewhere.pop(message.request or 0, None))
            case "kv_arrived":
                request = self.remote.pop(message.request or 0, None)
                self._add(request)
                if request is not None and self.drafter is not None:
                    self.drafter.unseeded.add(request.ident)
            case "start_wave":
                self.waves.start()
            case "pause":
                self.waves.pause()
            case "resume":
                self.waves.resume()
            case "sleep":
                self.waves.sleep()
            case "wake_up":
                self.waves.wake_up(message.tag)
            case "update_weights":
                self.context.world.allgather(steps, "update weights")

    def _add(self, request: Request | None) -> None:
        """A request of another rank is none of this one's business."""
        if request is not None:
            self.scheduler.waiting.append(request)
            self.waves.add_request()
