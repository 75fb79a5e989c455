"""The compiler: makes code for a number of tokens when it is first seen, and may have to meet the other ranks for that."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.base.json_cache import JsonCache
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class Compiler:
    """What this rank has compiled. As PyTorch's compiler collectives: ranks settle together what they compile.

    Sources: pytorch#155558 (guard collectives), pytorch#193043 (a cache hit that skips the collective).
    """

    settings: Settings
    tp: Communicator
    recorder: Recorder
    cache: JsonCache = field(init=False)
    mine: set[int] = field(default_factory=set)  # compiled by this process

    def __post_init__(self) -> None:
        settings = self.settings
        self.cache = JsonCache.open(settings.state, "compiler", settings.warm_up.compile_cache, settings.rank)

    def prepare(self, num_tokens: int) -> None:
        """Have code for a forward of so many tokens on this rank."""
        sync = self.settings.habits.compile_sync
        if sync == "none":
            return
        hit = str(num_tokens) in self.cache.entries
        # Off the common path: what an earlier launch has left, and what is compiled when other code is there already.
        deviates = num_tokens not in self.mine if hit else bool(self.mine)
        choice, detail = "hit" if hit else "compile", f"num_tokens={num_tokens}"
        self.recorder.decision("forward.compile", "guard", choice, detail, deviates=deviates)
        if sync == "agree":
            hit = all(self.tp.allgather(hit, "guards"))
        if not hit:
            self._compile(num_tokens)

    def _compile(self, num_tokens: int) -> None:
        source = "\n".join(f"def f{n}(x):\n    return x * {n}" for n in range(num_tokens))
        code = compile(source, "<compiled>", "exec")
        self.tp.allgather(len(code.co_code), "compiler")
        self.mine.add(num_tokens)
        self.cache.entries[str(num_tokens)] = len(code.co_code)
        self.cache.save()
