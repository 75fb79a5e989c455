"""The groups of a rank: which ranks it shares a stage, a pipeline, its requests and its agreements with."""

from __future__ import annotations

from lockstep.engines.minimal.comm.mpi import MpiCommunicator, alone
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


class Groups:
    """Host communicators by what they are for. All ranks must make them, in one order.

    `tp`: the ranks of this rank's stage, which share the experts; `pp`: one rank of each stage, by stage; `attention`: the
    ranks that share this rank's requests, None where none does. `members`, `stages`: ranks of `tp` and `pp` among all.
    """

    def __init__(self, settings: Settings, world: MpiCommunicator, recorder: Recorder) -> None:
        self.settings, self.world = settings, world
        parallel, rank = settings.parallel, settings.rank
        first = rank // parallel.tp * parallel.tp
        self.members = range(first, first + parallel.tp)
        self.stages = range(rank % parallel.tp, settings.world, parallel.tp)
        self.tp = world.split("tp", self.members)
        self.pp = world.split("pp", self.stages) if parallel.pp > 1 else alone(recorder, rank)
        self.attention = world.split("attention", self._sharers()) if parallel.attention_tp > 1 else None

    def core(self) -> MpiCommunicator:
        """What engine cores agree over: as in vLLM a group of their own, unless one process is core and worker."""
        own_group = self.settings.data_parallel.backend in ("mp", "ray")
        return self.world.split("core", self.members) if own_group else self.tp

    def _sharers(self) -> range:
        size = self.settings.parallel.attention_tp
        first = self.settings.rank // size * size
        return range(first, first + size)
