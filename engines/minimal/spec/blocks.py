"""What a block of the KV cache is, and how many each rank of a spec has on a host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.engines.minimal.spec.model import BYTES_PER_ELEMENT, HEAD_DIM, HEADS, LAYERS


def block_bytes(tokens_per_block: int, heads: int = HEADS, layers: int = LAYERS) -> int:
    """Bytes of one block over all layers of a stage, keys and values."""
    return layers * 2 * tokens_per_block * heads * HEAD_DIM * BYTES_PER_ELEMENT


def block_facts(spec: Mapping[str, Any]) -> dict[str, str]:
    """The blocks of each rank after what is given as bytes or as a share has become blocks, and what one is."""
    tokens, unit = spec["config"]["kv_cache_config"]["tokens_per_block"], spec["kv_capacity"]["unit"]
    measured = "; on a GPU by what is free of its memory" if unit in ("fraction", "ballast_bytes") else ""
    return {"blocks": f"{_grouped(_of_ranks(spec))}; a block is {tokens} tokens, {_size(spec)} bytes{measured}"}


def pool_bytes(spec: Mapping[str, Any]) -> int:
    """What the KV pools of all ranks take together on a host."""
    return sum(_of_ranks(spec)) * _size(spec)


def _size(spec: Mapping[str, Any]) -> int:
    """Bytes of a block on one rank."""
    parallel = spec["parallel"]
    group = parallel["attention_tp"] if parallel["attention_dp"] else parallel["tp"]
    return block_bytes(spec["config"]["kv_cache_config"]["tokens_per_block"], HEADS // group, LAYERS // parallel["pp"])


def _of_ranks(spec: Mapping[str, Any]) -> list[int]:
    """The blocks of each rank."""
    config, size = spec["config"], _size(spec)
    tokens = config["kv_cache_config"]["tokens_per_block"]
    unit, amounts = spec["kv_capacity"]["unit"], spec["kv_capacity"]["per_rank"]
    limit = config["kv_cache_config"]["max_tokens"]
    whole = (limit or config["max_batch_size"] * config["max_seq_len"]) // tokens
    share = config["kv_cache_config"]["free_gpu_memory_fraction"]
    found = [_blocks(unit, amount, size, whole, share) for amount in amounts]
    return [min(blocks, whole) if limit else blocks for blocks in found]


def _blocks(unit: str, amount: float, size: int, whole: int, share: float) -> int:
    match unit:
        case "bytes":
            return int(amount) // size
        case "fraction":
            return int(amount * whole)
        case "ballast_bytes":
            return int((whole * size - amount) * share) // size
    return int(amount)


def _grouped(blocks: Sequence[int]) -> str:
    """`96 on ranks 0, 1, 2; 24 on rank 3`."""
    if len(set(blocks)) == 1:
        return f"{blocks[0]} on each rank"
    ranks: dict[int, list[str]] = {}
    for rank, count in enumerate(blocks):
        ranks.setdefault(count, []).append(str(rank))
    return "; ".join(f"{count} on rank{'s' * (len(those) > 1)} {', '.join(those)}" for count, those in ranks.items())
