"""Messages by who handles them: as unions, so that the type checker sees where one of a group is forgotten."""

from __future__ import annotations

from typing import TypeAlias

from lockstep.harness.channel.to_supervisor import (
    Acknowledge,
    Call,
    Confirm,
    End,
    Leave,
    Look,
    ReadClock,
    Release,
    TakeDumps,
    TakeStacks,
    WatchdogBeat,
)
from lockstep.harness.channel.to_watchdog import (
    Around,
    Bye,
    Came,
    ClockRead,
    Confirmed,
    Delta,
    Dump,
    Ended,
    FlightRecord,
    Gone,
    Hello,
    Here,
    Idle,
    LauncherLost,
    LeftBehind,
    LeftOnHost,
    LeftOut,
    LockHeld,
    Log,
    Output,
    Processes,
    Scanned,
    SharedMemory,
    Stacks,
    StacksDone,
    Stands,
    Starved,
    StateFile,
    SupervisorBeat,
)

Presence: TypeAlias = SupervisorBeat | Here | ClockRead | LauncherLost | Bye  # of the supervisor itself
Delivery: TypeAlias = Dump | LeftOut | StateFile | LeftOnHost | Log  # for the case's folder, or for its end
OfEither: TypeAlias = Hello | SharedMemory | Delta | Output | Ended | Stacks | StacksDone
OfProgram: TypeAlias = Came | Gone | Processes | Idle | LeftBehind | Scanned | Around | Stands | LockHeld | FlightRecord
News: TypeAlias = OfEither | Confirmed | Starved | OfProgram  # of an engine, or of a command and all below it
FromSupervisor: TypeAlias = Presence | Delivery | News
Question: TypeAlias = Confirm | Acknowledge | TakeDumps | TakeStacks | Release  # each kind of supervisor answers its own way
FromWatchdog: TypeAlias = WatchdogBeat | Call | ReadClock | Question | End | Look | Leave
