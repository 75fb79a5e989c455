"""Every LOCKSTEP_ variable of the environment: its name, what its value is, who sets it and who reads it.

On the ground floor and without imports: commands, supervisors, engines and processes of the user's program read it.
What only the job files below deploy/ read stands in their heads, and what only a target of the Makefile reads there.
"""

from __future__ import annotations

from typing import Final

# --- that a user may set ------------------------------------------------------------------------------------------------

SCENARIOS: Final = "LOCKSTEP_SCENARIOS"  # path: the folder of scenarios, where it is not `scenarios` of the current one
LOG: Final = "LOCKSTEP_LOG"  # debug, info, warning (as without it) or error: what processes write into a case's folder
NATIVE: Final = "LOCKSTEP_NATIVE"  # whole number: 1 records MPI in C, below Python; processes get it too
NOTICE: Final = "LOCKSTEP_NOTICE"  # whole number: seconds after which it is said that nothing has moved (60); 0: never

# --- that supervisors get from the watchdog or from the launcher; ranks do not get what is secret in them ---------------

PLAN: Final = "LOCKSTEP_PLAN"  # JSON, channel/bootstrap.py: where the watchdog is, with the keys; not handed on
TOKEN: Final = "LOCKSTEP_TOKEN"  # hexadecimal: in every process of a case; teardown recognises them by it
TMPDIR: Final = "LOCKSTEP_TMPDIR"  # path: stands for TMPDIR where the launcher would act on that
INDEX: Final = "LOCKSTEP_INDEX"  # whole number: which of the processes this is, where Lockstep itself is the launcher
OPEN_FILES: Final = "LOCKSTEP_OPEN_FILES"  # two whole numbers: the soft limit as the user had it, and as it was raised
SWEEP: Final = "LOCKSTEP_SWEEP"  # JSON, host/sweep.py: what may be left of a case on a host

# --- that ranks get -----------------------------------------------------------------------------------------------------

RANK: Final = "LOCKSTEP_RANK"  # whole number, from 0
WORLD: Final = "LOCKSTEP_WORLD"  # whole number: how many ranks there are
SPEC: Final = "LOCKSTEP_SPEC"  # JSON: what the scenario says to the engine
RING_FD: Final = "LOCKSTEP_RING_FD"  # whole number: the inherited descriptor of this rank's ring
ADDRESS: Final = "LOCKSTEP_ADDRESS"  # IP address by which ranks on other hosts reach this one; not set on one host
STATE: Final = "LOCKSTEP_STATE"  # path: a folder that stays between the launches of a case; supervisors make it
LAUNCH: Final = "LOCKSTEP_LAUNCH"  # whole number: which launch of the case this is, from 1

# --- that nobody reads: where ps and teardown look for the environment of a process that was forked ----------------------

ROOM: Final = "LOCKSTEP_ROOM"  # any text, host/process_title.py: a fork writes its own variables over it

# --- that processes of a watched program get ----------------------------------------------------------------------------

ATTACH: Final = "LOCKSTEP_ATTACH"  # path: the socket where the recorder hands over its ring; attach/site has it too
SUPERVISOR: Final = "LOCKSTEP_SUPERVISOR"  # whole number: the process below which the command starts; native/comms.inc too
WORLD_ID: Final = "LOCKSTEP_WORLD_ID"  # hexadecimal: tells MPI worlds of different launches apart

# --- that the build command of a bisection gets -------------------------------------------------------------------------

COMMIT: Final = "LOCKSTEP_COMMIT"  # hexadecimal: the commit that is to be built
TREE: Final = "LOCKSTEP_TREE"  # path: its checkout

# --- that the ranks of a test get ---------------------------------------------------------------------------------------

PYTEST: Final = "LOCKSTEP_PYTEST"  # path: the folder into which each rank's pytest writes what became of the test
