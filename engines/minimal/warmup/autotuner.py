"""The autotuner: times the tactics of a shape, keeps the best, and exchanges it with the other ranks.

A tactic is how many tokens the experts take at a time. What is found stays in the cache; the model's own experts are one
piece. As upstream, a rank tunes the shape that its own capacity gives (NVIDIA/TensorRT-LLM#14240, vllm#54618).
"""

from __future__ import annotations

from lockstep.engines.minimal.base.batch import Shape
from lockstep.engines.minimal.base.json_cache import JsonCache
from lockstep.engines.minimal.base.protocols import Communicator, Device
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.variants.tactic_exchange import TACTIC_EXCHANGE
from lockstep.engines.minimal.warmup.variants.tuned_forward import TUNED_FORWARD
from lockstep.engines.minimal.warmup.variants.tuning_memory import TUNING_MEMORY
from lockstep.harness.trace import Recorder

TILES = (8, 16, 32, 64, 128, 256)


class Autotuner:
    """Chooses tactics on one rank. One for all warm-ups of a process."""

    def __init__(self, settings: Settings, device: Device, tp: Communicator, recorder: Recorder) -> None:
        self.device, self.tp, self.recorder = device, tp, recorder
        self.cache = JsonCache.open(settings.state, "autotuner", settings.warm_up.autotuner_cache, settings.rank)
        self._most = len(tactics_of(settings.max_num_tokens))
        self._exchange = TACTIC_EXCHANGE.of(settings)
        self._forward = TUNED_FORWARD.of(settings)
        self._memory = TUNING_MEMORY.of(settings)

    def begin(self) -> None:
        """The autotuner's phase begins."""
        if self._exchange.chooses:
            self._memory.begin(self._allocate)

    def skips(self, shape: Shape) -> bool:
        """Whether the forward of a shape is left out because there is nothing to tune."""
        return self._forward.skips(shape, self._exchange.chooses and self._hit(shape), self.recorder)

    def choose(self, shape: Shape) -> None:
        """The tactic of a shape, from the cache or by timing, and what the ranks tell each other of it."""
        if not self._exchange.chooses:
            return
        hit = self._hit(shape)
        detail = f"num_tokens={shape.num_tokens}"
        self.recorder.decision("autotuner.cache", shape.label, "hit" if hit else "miss", detail, deviates=hit)
        known = self._exchange.hit(hit, self.tp)
        if not known:
            self.cache.entries[_key(shape)] = self._tune(shape)
        self._exchange.share(self.cache.entries[_key(shape)], not known, self.tp)

    def end(self) -> None:
        """The phase ends."""
        self.cache.save()

    def _hit(self, shape: Shape) -> bool:
        return _key(shape) in self.cache.entries

    def _tune(self, shape: Shape) -> int:
        """The fastest tactic."""
        self._memory.tune(self._allocate)
        tactics = tactics_of(shape.num_tokens)
        self._exchange.begin(shape, tactics, self._most, self.recorder)
        seconds = {tile: self._timed(shape, tile) for tile in tactics}
        return min(seconds, key=lambda tile: (seconds[tile], tile))

    def _timed(self, shape: Shape, tile: int) -> float:
        return self._exchange.timed(self.device.profile(shape.num_tokens, tile), tile, self.device)

    def _allocate(self) -> None:
        """As `ncclMemAlloc` and the registration of a window: a collective of the data plane."""
        self.device.mean(0.0, "symmetric memory window")


def tactics_of(num_tokens: int) -> list[int]:
    """The tactics that are valid for so many tokens: tiles that are not larger, and the smallest."""
    return [tile for tile in TILES if tile <= max(num_tokens, TILES[0])]


def _key(shape: Shape) -> str:
    return str(shape.num_tokens)
