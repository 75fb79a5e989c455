"""What data-parallel ranks tell each other before a forward."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.data_parallel.load import Load
from lockstep.engines.minimal.spec.points import Point


class DpExchange(Protocol):
    """Asked before each forward."""

    def loads(self, mine: Load, dp: Communicator) -> list[Load]:
        """What this rank knows of all ranks' loads, its own among them."""


class TokensAndMode:
    """Sound: token counts, and graph or eager."""

    def loads(self, mine: Load, dp: Communicator) -> list[Load]:
        """All of it."""
        return [Load(*load) for load in dp.allgather((mine.tokens, mine.mode, mine.idle), "coordinate")]


class Tokens:
    """Token counts: one rank replays a graph where another runs eager (vllm-project/vllm-ascend#6011)."""

    def loads(self, mine: Load, dp: Communicator) -> list[Load]:
        """The others' modes are taken for this one's."""
        counts = dp.allgather(mine.tokens, "coordinate tokens")
        return [Load(int(count), mine.mode, mine.idle) for count in counts]


class Mode:
    """Graph or eager: enough with buffers of fixed size (the mend of vllm-project/vllm-ascend#13826)."""

    def loads(self, mine: Load, dp: Communicator) -> list[Load]:
        """The others' tokens are taken for this one's."""
        modes = dp.allgather((mine.mode, mine.idle), "coordinate mode")
        return [Load(mine.tokens, *mode) for mode in modes]


class Nothing:
    """Nothing (vllm-project/vllm-ascend#13826, vllm-project/vllm#28224, #51984)."""

    def loads(self, mine: Load, dp: Communicator) -> list[Load]:
        """This rank's alone."""
        return [mine]


DP_EXCHANGE = Point[DpExchange](
    "dp_exchange",
    "what data-parallel ranks tell each other before a forward: token counts, graph or eager, both, or nothing",
    {"tokens-and-mode": TokensAndMode(), "tokens": Tokens(), "mode": Mode(), "nothing": Nothing()},
)
