"""The all-to-all of the experts as a two-phase protocol, as upstream's `MoeAlltoAll`: a dispatch, then its combine."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lockstep.engines.minimal.comm.data_plane import Collectives


class MoeAllToAll:
    """Tokens go to the experts' ranks and come back. The state is the host's: a replayed graph does not pass here."""

    def __init__(self, plane: Collectives) -> None:
        self._plane = plane
        self._dispatched = ""  # the layer whose dispatch has no combine yet

    def dispatch(self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str) -> None:
        """Send the tokens of a layer (`place`) out. Raises RuntimeError when the last ones have not come back."""
        if self._dispatched:
            raise RuntimeError(f"dispatch of {place} while that of {self._dispatched} has had no combine")
        self._plane.all_to_all(output, source, outgoing, incoming, f"dispatch {place}")
        self._dispatched = place

    def combine(self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str) -> None:
        """Get their parts back. Raises RuntimeError when nothing was sent."""
        if not self._dispatched:
            raise RuntimeError(f"combine of {place} without a dispatch")
        self._plane.all_to_all(output, source, outgoing, incoming, f"combine {place}")
        self._dispatched = ""

    def reset(self) -> None:
        """Forget a dispatch that will have no combine, because its forward has failed."""
        self._dispatched = ""
