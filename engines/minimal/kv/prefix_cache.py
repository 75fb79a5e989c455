"""The prefix cache: full KV blocks of earlier prompts are kept, and reused by a request that begins with the same tokens.

How much of a prompt is found depends on this rank's own pool and host memory. Sources: sgl-project/sglang#33442, where a
rank whose pool is one block short loads less back, and #30760, where a rank's room decides how many collectives it enters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.kv.host_tier import HostTier, Key
from lockstep.engines.minimal.kv.variants.prefetch_check import PREFETCH_CHECK
from lockstep.engines.minimal.kv.variants.prefix import PREFIX
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


class PrefixCache:
    """Blocks by what they hold, those used longest ago first. `users`: how many requests read a block."""

    def __init__(
        self, settings: Settings, manager: BlockManager, tp: Communicator, recorder: Recorder, host: HostTier
    ) -> None:
        self.manager, self.tp, self.recorder, self.host = manager, tp, recorder, host
        self.blocks: OrderedDict[Key, int] = OrderedDict()
        self.users: dict[int, int] = {}
        self.seen: set[Key] = set()  # everything that was ever kept
        self._apart = settings.parallel.attention_dp
        self._prefetches = settings.kv.prefetch
        self._prefix = PREFIX.of(settings)
        self._prefetch_check = PREFETCH_CHECK.of(settings)

    def open(self, world: Communicator) -> None:
        """Decoding begins."""
        self.host.open(world)

    def begin(self, number: int) -> None:
        """An iteration begins."""
        self.host.check(number)

    def prefetch(self, waiting: Iterable[Request]) -> None:
        """These requests are about to be started, as far as there is room."""
        self._prefetch_check.before_all(waiting, self._progress)

    def start(self, request: Request, tokens: int) -> list[int] | None:
        """Blocks for `tokens` tokens, the first of them filled with what is known of the prompt; None if they do not fit."""
        self._prefetch_check.before_one(request, self._progress)
        keys = self._keys(request)
        length = self._agreed(self._known(request, keys))
        shared = [self.blocks[key] for key in keys[:length] if key in self.blocks]
        missing = self.manager.needed(tokens) - len(shared)
        if not self._make_room(missing, set(shared)):
            return None
        fresh = self.manager.allocate(missing * self.manager.tokens_per_block) or []
        for key, block in zip(keys[len(shared) : length], fresh, strict=False):
            self.host.load(key, block)
        for block in shared:
            self.users[block] = self.users.get(block, 0) + 1
        request.computed = length * self.manager.tokens_per_block
        return shared + fresh

    def release(self, request: Request) -> None:
        """Keep the full blocks of its prompt, and give the others back. The end of a prefix is older than its beginning."""
        size = self.manager.tokens_per_block
        keys = [tuple(request.prompt[:end]) for end in range(size, len(request.prompt) + 1, size)]
        self.host.write(request.ident, keys, request.blocks[: len(keys)])
        for key, block in reversed(list(zip(keys, request.blocks, strict=False))):
            if self.blocks.setdefault(key, block) != block:
                self.manager.free([block])
            elif block in self.users:
                self.users[block] -= 1
            self.blocks.move_to_end(key)
        self.seen.update(keys)
        self.manager.free(request.blocks[len(keys) :])

    def clear(self) -> None:
        """Give all blocks back."""
        self.manager.free(list(self.blocks.values()))
        self.blocks.clear()

    def _progress(self, request: Request) -> None:
        """Ranks agree on how far the prefetch of a waiting request has come: as far as on the slowest."""
        if self._prefetches:
            self.tp.allgather(sum(key in self.host.stored for key in self._keys(request)), "prefetch progress")

    def _keys(self, request: Request) -> list[Key]:
        """Of the full blocks that may be reused: the last token of a prompt is always computed."""
        size = self.manager.tokens_per_block
        return [tuple(request.prompt[:end]) for end in range(size, len(request.prompt), size)]

    def _known(self, request: Request, keys: list[Key]) -> int:
        """How many blocks of the prompt are in the pool or can be loaded back, into blocks that are free now."""
        hits = _leading(key in self.blocks for key in keys)
        loadable = min(_leading(key in self.host.stored for key in keys[hits:]), self.manager.free_blocks)
        detail = f"hits={hits} load_back={loadable} free_blocks={self.manager.free_blocks}"
        short = hits + loadable < _leading(key in self.seen for key in keys)
        self.recorder.decision("decode.prefix", f"request={request.ident}", f"{hits + loadable} blocks", detail, short)
        return hits + loadable

    def _agreed(self, own: int) -> int:
        return own if self._apart else self._prefix.length(own, self.tp)

    def _make_room(self, count: int, kept: set[int]) -> bool:
        """Drop what nobody reads until so many blocks are free; whether they are."""
        spare = [key for key, block in self.blocks.items() if not self.users.get(block) and block not in kept]
        if count > self.manager.free_blocks + len(spare):
            return False
        for key in spare[: max(0, count - self.manager.free_blocks)]:
            self.manager.free([self.blocks.pop(key)])
        return True


def _leading(flags: Iterable[bool]) -> int:
    """How many are true before the first that is not."""
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count
