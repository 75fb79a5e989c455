"""The all-to-all of the experts as a two-phase protocol, as upstream's `MoeAlltoAll`: a dispatch, then its combine."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from engines.minimal.data_plane import Collectives


class MoeAllToAll:
    """Tokens go to the experts' ranks and come back. The state is the host's: a replayed graph does not pass here."""

    def __init__(self, plane: Collectives) -> None:
        self._plane = plane
        self._dispatched = ""  # the layer whose dispatch has no combine yet

    def dispatch(self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], layer: int) -> None:
        """Send tokens out. Raises RuntimeError when the last ones have not come back."""
        if self._dispatched:
            raise RuntimeError(f"dispatch of layer {layer} while that of layer {self._dispatched} has had no combine")
        self._plane.all_to_all(output, source, outgoing, incoming, f"dispatch layer={layer}")
        self._dispatched = str(layer)

    def combine(self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], layer: int) -> None:
        """Get their parts back. Raises RuntimeError when nothing was sent."""
        if not self._dispatched:
            raise RuntimeError(f"combine of layer {layer} without a dispatch")
        self._plane.all_to_all(output, source, outgoing, incoming, f"combine layer={layer}")
        self._dispatched = ""

    def reset(self) -> None:
        """Forget a dispatch that will have no combine, because its forward has failed."""
        self._dispatched = ""
