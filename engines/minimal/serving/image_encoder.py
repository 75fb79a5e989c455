"""The encoder of prompts with images: each image once, when its request is first scheduled."""

from __future__ import annotations

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.variants.encoder_group import ENCODER
from lockstep.engines.minimal.serving.variants.image_split import IMAGE_SPLIT


class ImageEncoder:
    """Of this rank. Under attention DP it is its own, whoever it reduces over."""

    def __init__(self, context: RankContext) -> None:
        self.context = context
        self._images = context.settings.workload.images
        self._group = ENCODER.of(context.settings)
        self._split = IMAGE_SPLIT.of(context.settings)

    def encode(self, requests: list[Request]) -> None:
        """The images of requests that have just been scheduled."""
        fresh = [request for request in requests if request.ident in self._images and not request.encoded]
        if not fresh:
            return
        context = self.context
        for request in fresh:
            request.encoded = True
        if not context.apart and self._split.deals(fresh, context.tp, context.engine.device, context.recorder):
            return
        for request in fresh:
            reduces = self._group.reduces(request.ident, context.apart, context.recorder)
            context.engine.device.encode(request.ident, request.prompt, reduces)
