"""The operation of a library as the recorder needs to know it: its name for people, and whom it surely needs to end."""

from __future__ import annotations

from typing import NamedTuple

from lockstep.harness.trace.event import Need


class Operation(NamedTuple):
    """`rule`: who needs whom. Places of arguments count without `self`, -1: none."""

    name: str
    rule: str = "all"  # all, from-root, to-root, to-and-from-root, below
    root: int = -1  # the argument that is the root
    same: int = -1  # the argument that has as many elements on every member
    counted: int = -1  # the argument that says how much comes from each member: without counts in it nobody is sure

    @property
    def rooted(self) -> bool:
        """Whether its caller names a root."""
        return self.rule in ("from-root", "to-root")

    def need(self, rank: int, root: int) -> Need:
        """Whom it needs on this rank; `root` and `rank` are ranks in the communicator. MPI lets a root or a leaf go."""
        at_root = rank == root
        match self.rule:
            case "all":
                return Need.ALL
            case "below":
                return Need.BELOW if rank else Need.NOBODY
            case "to-and-from-root":
                return Need.ALL if at_root else Need.ROOT
            case _ if root < 0:
                return Need.NOBODY
            case "from-root":
                return Need.NOBODY if at_root else Need.ROOT
        return Need.ALL if at_root else Need.NOBODY
