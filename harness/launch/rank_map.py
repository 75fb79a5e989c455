"""Which ranks of a case run on which host: ranks are dealt in blocks, host by host, as launchers count them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import accumulate

from lockstep.harness.ip_address import family, is_loopback, loopback
from lockstep.harness.launch.interface import Interface, resolve


@dataclass(frozen=True, slots=True)
class NodeRanks:
    """A host's part in a case: how many of its ranks run there. `gpus`: the GPUs that they may use; empty: all."""

    host: str
    ranks: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankMap:
    """The nodes of one case, in the order of their ranks.

    `local`: the only node is this host, and nothing goes by ssh. `head`: the interface by which nodes reach this host.
    """

    nodes: tuple[NodeRanks, ...]
    local: bool = False
    head: Interface | None = None

    @staticmethod
    def on_this_host(ranks: int, gpus: tuple[str, ...] = ()) -> RankMap:
        """All ranks here."""
        return RankMap((NodeRanks(os.uname().nodename, ranks, gpus),), local=True)

    @property
    def ranks(self) -> int:
        """How many ranks there are."""
        return sum(node.ranks for node in self.nodes)

    @property
    def address(self) -> str:
        """The address of this host on which supervisors reach it."""
        return loopback() if self.local or self.head is None else self.head.address

    @property
    def first_address(self) -> str:
        """Where the others find the host of rank 0: its address, or its name where only its users know one."""
        if self.local:
            return loopback()
        host = self.nodes[0].host
        found = resolve(host, family(self.address)) or resolve(host) or host
        return self.address if is_loopback(found) else found

    def node_of(self, rank: int) -> int:
        """The number of the node on which a rank runs, from 0. Raises IndexError for a rank that there is not."""
        for number, end in enumerate(accumulate(node.ranks for node in self.nodes)):
            if rank < end:
                return number
        raise IndexError(f"rank {rank} of {self.ranks}")

    def ranks_of(self, node: int) -> range:
        """The ranks of a node."""
        first = sum(one.ranks for one in self.nodes[:node])
        return range(first, first + self.nodes[node].ranks)
