"""The compiler: makes code for a number of tokens when it is first seen, and may have to meet the other ranks for that."""

from __future__ import annotations

from lockstep.engines.minimal.base.json_cache import JsonCache
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.forward.variants.compile_sync import COMPILE_SYNC
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


class Compiler:
    """What this rank has compiled, in this process (`mine`) and before."""

    def __init__(self, settings: Settings, tp: Communicator, recorder: Recorder) -> None:
        self.tp, self.recorder = tp, recorder
        self.cache = JsonCache.open(settings.state, "compiler", settings.warm_up.compile_cache, settings.rank)
        self.mine: set[int] = set()
        self._sync = COMPILE_SYNC.of(settings)

    def prepare(self, num_tokens: int) -> None:
        """Have code for a forward of so many tokens on this rank."""
        self._sync.prepare(self, num_tokens)

    def has(self, num_tokens: int) -> bool:
        """Whether there is code for so many tokens."""
        hit = str(num_tokens) in self.cache.entries
        # Off the common path: what an earlier launch has left, and what is compiled when other code is there already.
        deviates = num_tokens not in self.mine if hit else bool(self.mine)
        choice, detail = "hit" if hit else "compile", f"num_tokens={num_tokens}"
        self.recorder.decision("forward.compile", "guard", choice, detail, deviates=deviates)
        return hit

    def all_have(self, have: bool) -> bool:
        """Whether all ranks have code for their forwards."""
        return all(self.tp.allgather(have, "guards"))

    def compile(self, num_tokens: int) -> None:
        """Make it, and tell the other ranks that make theirs."""
        source = "\n".join(f"def f{n}(x):\n    return x * {n}" for n in range(num_tokens))
        code = compile(source, "<compiled>", "exec")
        self.tp.allgather(len(code.co_code), "compiler")
        self.mine.add(num_tokens)
        self.cache.entries[str(num_tokens)] = len(code.co_code)
        self.cache.save()
