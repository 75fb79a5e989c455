"""How ranks that have the same requests share the encoder of their images (sgl-project/sglang#20788)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator, Device
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.choice import LEFT_OUT


class ImageSplit(Protocol):
    """Asked for the images of a step."""

    def deals(self, requests: Sequence[Request], tp: Communicator, device: Device, recorder: Recorder) -> bool:
        """Deal whole images to the ranks, encode this rank's, and exchange what came of them; False: there is no deal."""


class Tensor:
    """Sound: no, each rank has a shard of the encoder for all images."""

    def deals(self, requests: Sequence[Request], tp: Communicator, device: Device, recorder: Recorder) -> bool:
        """Nothing is dealt."""
        return False


class Image:
    """Sound too: each has the whole encoder and some of the images."""

    def deals(self, requests: Sequence[Request], tp: Communicator, device: Device, recorder: Recorder) -> bool:
        """By their order."""
        own = requests[tp.rank :: tp.size]
        sharded = self.embedding_is_sharded(len(own), requests, recorder)
        for request in own:
            device.encode(request.ident, request.prompt, sharded)
        tp.allgather([request.ident for request in own], "image features")
        return True

    def embedding_is_sharded(self, own: int, requests: Sequence[Request], recorder: Recorder) -> bool:
        """Whether the position embedding needs all ranks, where this one has so many images."""
        return False


class ImageButEmbedding(Image):
    """Its position embedding is still sharded over the ranks, some of which have no image (sgl-project/sglang#20788)."""

    def embedding_is_sharded(self, own: int, requests: Sequence[Request], recorder: Recorder) -> bool:
        """It is."""
        key = " ".join(f"request={request.ident}" for request in requests)
        choice, detail = "encode" if own else LEFT_OUT, f"images={own} of={len(requests)}"
        recorder.decision("decode.images", key, choice, detail, deviates=bool(own))
        return True


IMAGE_SPLIT = Point[ImageSplit](
    "image_split",
    "how ranks without attention DP share an encoder: each has a shard; `image`: each has some images; "
    "`image-but-embedding`: but the position embedding is still sharded",
    {"tensor": Tensor(), "image": Image(), "image-but-embedding": ImageButEmbedding()},
)
