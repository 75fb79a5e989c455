"""Sizes that every product has by another name: of a batch, a request, a block, the KV cache and the graphs."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.upstream.lengths import MOST_BATCH_TOKENS, Lengths
from lockstep.engines.minimal.upstream.translation import Translation

SEQUENCE = 256  # tokens of a request, where the product takes them from the model


@dataclass(frozen=True, slots=True)
class Size:
    """A number, the key that says it, and whether the config did."""

    key: str
    value: int
    given: bool

    @staticmethod
    def of(translation: Translation, key: str, default: int) -> Size:
        """As the config says, or the product's own default."""
        found = translation.count(key)
        return Size(key, default if found is None else found, found is not None)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one config. `request_tokens`: None where the model's files say it. `blocks`, `pool_tokens`: KV cache of a rank."""

    batch: Size
    batch_tokens: Size
    request_tokens: Size | None
    block_tokens: Size
    blocks: Size | None = None
    pool_tokens: Size | None = None

    def put(self, translation: Translation, scale: int | None) -> int:
        """Say them in the scenario, lengths divided; by what."""
        request = self.request_tokens.value if self.request_tokens else None
        lengths = Lengths(self.batch_tokens.value, request, self.block_tokens.value)
        divisor = lengths.scale() if scale is None else scale
        block, each = lengths.blocks_each(divisor)
        batch_tokens = max(1, self.batch_tokens.value // divisor)
        if scale is None and batch_tokens > MOST_BATCH_TOKENS:
            text = f"{MOST_BATCH_TOKENS} here, which a CPU can compute; --set config.max_num_tokens=N says otherwise"
            translation.told(self.batch_tokens.key, text)
            batch_tokens = MOST_BATCH_TOKENS
        translation.put(("config", "max_batch_size"), self.batch.value, self.batch.key)
        translation.put(("config", "max_num_tokens"), batch_tokens, self.batch_tokens.key)
        translation.put(("config", "kv_cache_config", "tokens_per_block"), block, self.block_tokens.key)
        self._request(translation, divisor)
        self._capacity(translation, divisor, block, each)
        self._say(translation, divisor, block, each)
        return divisor

    def _request(self, translation: Translation, divisor: int) -> None:
        if self.request_tokens is not None:
            translation.put(("config", "max_seq_len"), max(1, self.request_tokens.value // divisor), self.request_tokens.key)
        else:
            translation.put(("config", "max_seq_len"), SEQUENCE)
            text = f"the model's files say it upstream, and are not read: {SEQUENCE} here; --set config.max_seq_len=N"
            translation.told("length of a request", text)

    def _capacity(self, translation: Translation, divisor: int, block: int, each: int) -> None:
        if self.pool_tokens is not None:
            tokens = max(1, self.pool_tokens.value // divisor)
            translation.put(("config", "kv_cache_config", "max_tokens"), tokens, self.pool_tokens.key)
            translation.put(("kv_capacity", "blocks"), max(1, tokens // block), self.pool_tokens.key)
            translation.told(
                self.pool_tokens.key, "every rank has so much KV cache; --set kv_capacity.blocks=[...] says less"
            )
        elif self.blocks is not None:
            translation.put(("kv_capacity", "blocks"), max(1, self.blocks.value // each), self.blocks.key)
        else:
            what = "is missing: how many KV blocks each rank has is measured at start-up, and stands in no config"
            translation.ask(("kv_capacity", "blocks"), what, 96)

    def _say(self, translation: Translation, divisor: int, block: int, each: int) -> None:
        for size in (self.batch, self.batch_tokens, self.block_tokens):
            if not size.given:
                product = translation.entries.table.product
                translation.told(size.key, f"not in the config: {size.value}, as {product} has it by default")
        if divisor == 1:
            return
        said = f"lengths in tokens are divided by {divisor}, so that a CPU can compute them; --scale 1 keeps them"
        blocks = "counts of blocks stay" if each == 1 else f"one block here stands for {each} of the engine's"
        translation.told("lengths", f"{said}. A block has {block} token{'s' if block > 1 else ''}, so {blocks}")


def put_graphs(
    translation: Translation,
    sizes: list[int] | None,
    largest: int | None,
    batch: int,
    padding: bool | None,
    keys: tuple[str, str],
) -> None:
    """The graphs of decoding. `keys`: of the sizes, and of the largest."""
    section = ("config", "cuda_graph_config")
    translation.put(section, {}, "")
    if sizes is not None:
        fitting = sorted({size for size in sizes if size <= batch})
        if len(fitting) < len(set(sizes)):
            translation.told(keys[0], f"sizes above the batch of {batch} are never captured")
        translation.put((*section, "batch_sizes"), fitting or [batch], keys[0])
        if translation.entry(keys[1]) is not None:
            translation.leave(keys[1], "the sizes of graphs are given one by one")
    elif largest is not None:
        translation.put((*section, "max_batch_size"), min(largest, batch), keys[1])
    if padding is not None:
        translation.put((*section, "enable_padding"), padding)


def put_prefill_graphs(translation: Translation, sizes: list[int] | None, divisor: int, key: str) -> None:
    """The graphs of prompts, by tokens."""
    section = ("config", "torch_compile_config")
    translation.put((*section, "enable_piecewise_cuda_graph"), True)
    if sizes is not None:
        translation.put((*section, "capture_num_tokens"), sorted({max(1, size // divisor) for size in sizes}), key)
