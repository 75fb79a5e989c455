"""Whether two collectives that ranks entered under one number are the same, and whether they surely never pair. Pure.

That ranks differ is a verdict. That they can never come out is a proof, and rests on what was measured of one version of one
library (`pairs`): of any other nothing is proved.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.pairs import NEVER, RANKS

# Names under which one operation is called: from C++ by DistributedDataParallel, and as a functional collective.
SAME_NAME = {
    "all_gather_single": "all_gather_into_tensor",
    "all_gather_tensor": "all_gather_into_tensor",
    "all_gather_single_coalesced": "all_gather_into_tensor_coalesced",
    "reduce_scatter_single": "reduce_scatter_tensor",
    "reduce_scatter_single_coalesced": "reduce_scatter_tensor_coalesced",
}
# Operations of gloo that go the same way over the wire, so that a program which mixes them may be right.
FAMILIES = {
    name: family
    for family, names in {
        "all_gather": ("all_gather_into_tensor", "all_gather_coalesced", "all_gather_into_tensor_coalesced"),
        "all_reduce": ("all_reduce_coalesced", "reduce_scatter", "reduce_scatter_tensor", "reduce_scatter_tensor_coalesced"),
        "all_to_all": ("all_to_all_single",),
    }.items()
    for name in names
}
# Operations of MPI that take a count for each member: others than those without, but measured as those.
COUNTED = {
    f"{posted}{name}{form}": f"{posted}{name}"
    for posted in ("", "i")
    for name, forms in {"gather": "v", "scatter": "v", "allgather": "v", "alltoall": "vw"}.items()
    for form in forms
}
ROOTED = frozenset({"broadcast", "bcast", "reduce", "gather", "scatter"})
SLOTS = frozenset({"gloo"})  # libraries whose messages carry the operation's name: neither size nor place of a group matters


def operation(entry: Entry) -> str:
    """What is called, by one name; a non-blocking collective of MPI is another operation than the blocking one."""
    name = entry.op.partition(" (")[0]
    name = SAME_NAME.get(name, name)
    return f"i{name}" if entry.posted and kind(entry) == "mpi" else name


def kind(entry: Entry) -> str:
    """The library of its communicator."""
    return entry.comm.partition(":")[0]


def token(entry: Entry) -> Hashable:
    """What all members that enter one collective share: the operation, or one that it pairs with, and the root."""
    name = operation(entry)
    return (FAMILIES.get(name, name) if kind(entry) in SLOTS else name, entry.root)


def never_pair(
    versions: Mapping[str, str], mine: Entry, theirs: Entry, me: int, them: int, members: Sequence[int], one_host: bool
) -> bool:
    """Whether a rank that waits in `mine` surely never comes out, since `them` has entered `theirs` in its place.

    `versions`: of the libraries, as both ranks tell them, by the kind of communicator. `one_host`: all members run on one.
    """
    library = kind(mine)
    name, _, version = versions.get(library, "").rpartition(" ")
    table = NEVER.get((name, version))
    if table is None:
        return False
    if library not in SLOTS and not (one_host and len(members) in RANKS[name, version]):
        return False  # algorithms change with the number of ranks and with where they are
    both = {(a, b) for a in _names(mine, me) for b in _names(theirs, them)}
    return any(theirs_ in table.get(mine_, "").split() for mine_, theirs_ in both)


def _names(entry: Entry, rank: int) -> tuple[str, ...]:
    """As the table calls it: by itself, and with the part that the rank has in it."""
    name = operation(entry)
    name = COUNTED.get(name, name)
    if entry.root < 0 or name.removeprefix("i") not in ROOTED:
        return (name,)
    return (name, f"{name}@{'root' if entry.root == rank else 'leaf'}")
