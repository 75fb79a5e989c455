"""The autotuner: times the tactics of a shape, keeps the best, and exchanges it with the other ranks.

A tactic is how many tokens the experts take at a time. What is found stays in the cache; the model's own experts are one
piece. As upstream, a rank tunes the shape that its own capacity gives (NVIDIA/TensorRT-LLM#14240, vllm#54618).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.base.batch import Shape
from lockstep.engines.minimal.base.json_cache import JsonCache
from lockstep.engines.minimal.base.protocols import Communicator, Device
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

TILES = (8, 16, 32, 64, 128, 256)


@dataclass(slots=True)
class Autotuner:
    """Chooses tactics on one rank. One for all warm-ups of a process."""

    settings: Settings
    device: Device
    tp: Communicator
    recorder: Recorder
    cache: JsonCache = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.cache = JsonCache.open(settings.state, "autotuner", settings.warm_up.autotuner_cache, settings.rank)

    @property
    def on(self) -> bool:
        """Whether tactics are chosen at all."""
        return self.settings.habits.tactic_exchange != "none"

    def begin(self) -> None:
        """The autotuner's phase begins: symmetric memory that all ranks allocate is allocated here."""
        if self.on and self.settings.habits.tuning_memory == "symmetric-on-all":
            self._allocate()

    def skips(self, shape: Shape) -> bool:
        """Whether the forward of a shape is left out because there is nothing to tune."""
        hit = self.on and self._hit(shape)
        if self.settings.habits.tuned_forward != "skip-on-hit":
            return False
        self.recorder.decision("autotuner.forward", shape.label, "skip" if hit else "run", _figures(shape), deviates=hit)
        return hit

    def choose(self, shape: Shape) -> None:
        """The tactic of a shape, from the cache or by timing, and what the ranks tell each other of it."""
        exchange = self.settings.habits.tactic_exchange
        if not self.on:
            return
        hit = self._hit(shape)
        self.recorder.decision("autotuner.cache", shape.label, "hit" if hit else "miss", _figures(shape), deviates=hit)
        if exchange == "vote":
            hit = all(self.tp.allgather(hit, "cache hit"))
        if not hit:
            self.cache.entries[_key(shape)] = self._tune(shape)
        if exchange == "always" or (exchange in ("on-miss", "vote") and not hit):
            self.tp.allgather(self.cache.entries[_key(shape)], "tactics")

    def end(self) -> None:
        """The phase ends."""
        self.cache.save()

    def _hit(self, shape: Shape) -> bool:
        return _key(shape) in self.cache.entries

    def _tune(self, shape: Shape) -> int:
        """The fastest tactic."""
        habits = self.settings.habits
        if habits.tuning_memory == "symmetric":
            self._allocate()
        together = habits.tactic_exchange == "per-tactic"
        tactics = tactics_of(shape.num_tokens)
        if together:
            deviates = len(tactics) < len(tactics_of(self.settings.max_num_tokens))
            self.recorder.decision("autotuner.tactics", shape.label, str(len(tactics)), _figures(shape), deviates=deviates)
        seconds: dict[int, float] = {}
        for tile in tactics:
            seconds[tile] = self.device.profile(shape.num_tokens, tile)
            if together:
                seconds[tile] = self.device.mean(seconds[tile], f"timing tactic={tile}")
        return min(seconds, key=lambda tile: (seconds[tile], tile))

    def _allocate(self) -> None:
        """As `ncclMemAlloc` and the registration of a window: a collective of the data plane."""
        self.device.mean(0.0, "symmetric memory window")


def tactics_of(num_tokens: int) -> list[int]:
    """The tactics that are valid for so many tokens: tiles that are not larger, and the smallest."""
    return [tile for tile in TILES if tile <= max(num_tokens, TILES[0])]


def _key(shape: Shape) -> str:
    return str(shape.num_tokens)


def _figures(shape: Shape) -> str:
    return f"num_tokens={shape.num_tokens}"
