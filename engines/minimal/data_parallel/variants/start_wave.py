"""When a message starts a paused engine core, and how it pauses (vllm-project/vllm#38009, #39366)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class StartWave(Protocol):
    """Asked when such a message comes. Paused together all ranks may ignore it; one that is paused alone may be needed by
    those that are not yet."""

    two_phase: bool  # whether a core that is to pause keeps stepping until all are known to

    def starts(self, paused: bool) -> bool:
        """Whether it starts the core."""


class TwoPhase:
    """Sound: until all have agreed to pause (vllm-project/vllm#39366)."""

    two_phase = True

    def starts(self, paused: bool) -> bool:
        """Not when all have."""
        return not paused


class UnlessPaused:
    """Never one that is paused, though its peers may not be (what vllm-project/vllm#38009 proposes)."""

    two_phase = False

    def starts(self, paused: bool) -> bool:
        """Not while it is."""
        return not paused


class Always:
    """Always, though all may be paused (vllm-project/vllm#38009)."""

    two_phase = False

    def starts(self, paused: bool) -> bool:
        """Also then."""
        return True


START_WAVE = Point[StartWave](
    "start_wave",
    "when a message starts a paused engine core: until all have agreed to pause; `unless-paused`: never; `always`",
    {"two-phase": TwoPhase(), "unless-paused": UnlessPaused(), "always": Always()},
)
