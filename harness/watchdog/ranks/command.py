"""What one supervisor has started, as the watchdog knows it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Command:
    """What one supervisor has started, an engine or a command, and what it tells of the processes below."""

    host: str
    pid: int
    exit_code: int | None = None
    ended_s: float = 0.0
    ended_ns: int = 0  # when its supervisor saw it, by its host's clock
    alive: tuple[int, ...] | None = None  # process ids; None: not told yet
    idle: frozenset[int] = frozenset()  # of those that live, who has hardly computed for some seconds
    left_behind: tuple[str, ...] = ()  # what was still there when it had ended in order
    unread: bool = False  # whether something that its supervisor sent could not be read
    scanned: int = -1  # epoch in which it looked last
    unseen: tuple[str, ...] = ()
    heirs: tuple[int, ...] = ()  # process ids: what one that has ended left behind with sockets open, perhaps its own
    overseers: tuple[int, ...] = ()  # process ids: who has started processes with recorders, and may act by itself
    starved_s: float = 0.0  # for how long an engine that was in no wait has wanted a processor and got none
    shm_files: set[str] = field(default_factory=set)  # that its processes leave behind when they are killed
    _wanted_s: float = 0.0  # the same, in waits too

    def wanted(self, whole_s: float, waits: bool) -> None:
        """An engine has wanted a processor for so long in all. `waits`: it is in a wait now, where a library may turn in
        circles and want one for nothing.
        """
        grown_s, self._wanted_s = whole_s - self._wanted_s, whole_s
        self.starved_s += 0.0 if waits else grown_s
