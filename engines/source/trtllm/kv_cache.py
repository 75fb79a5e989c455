"""Stand-ins of TensorRT-LLM's KV cache manager and resource manager, over the minimal engine's blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn
from lockstep.engines.source.trtllm.free_blocks import FreeBlocks
from lockstep.engines.source.trtllm.requests import LlmRequest

RESOURCE_MANAGER_TYPE = StandIn(
    "ResourceManagerType",
    **{
        name: name
        for name in (
            "KV_CACHE_MANAGER", "DRAFT_KV_CACHE_MANAGER", "CROSS_KV_CACHE_MANAGER", "PEFT_CACHE_MANAGER",
            "SEQ_SLOT_MANAGER", "SPEC_RESOURCE_MANAGER", "CONV_STATE_MANAGER",
        )
    }
)  # fmt: skip


class KVCacheManager(StandIn):
    """Dummy requests get real blocks of this rank, as many as upstream's manager takes for them; or none, and an error."""

    bench: Bench
    num_extra_kv_tokens: int
    held: dict[int, list[int]]

    def __init__(self, bench: Bench) -> None:
        settings = bench.rank.settings
        super().__init__(
            bench=bench,
            max_seq_len=settings.max_seq_len,
            tokens_per_block=settings.kv.tokens_per_block,
            num_extra_kv_tokens=extra_kv_tokens(settings.drafts.length),
            enable_block_reuse=False,
            held={},
        )

    def get_num_free_blocks(self) -> FreeBlocks:
        """Free blocks of this rank."""
        return FreeBlocks.of(self.bench, self.bench.rank.manager.free_blocks)

    def get_num_available_tokens(
        self, max_num_draft_tokens: int = 0, token_num_upper_bound: int | None = None, batch_size: int = 1
    ) -> int:
        """Tokens that fit into the free blocks, less what is taken on top of them; at most the bound.

        Older callers give the drafts alone, as the first argument; newer ones name all.
        """
        free = self.bench.rank.manager.free_tokens - self.num_extra_kv_tokens - max_num_draft_tokens
        return free if token_num_upper_bound is None else min(token_num_upper_bound, free)

    def add_dummy_requests(
        self,
        request_ids: Sequence[int],
        token_nums: Sequence[int] | None = None,
        is_gen: bool = False,
        prepare_resource: bool = True,
        max_num_draft_tokens: int = 0,
        kv_reserve_draft_tokens: int | None = None,
        use_mrope: bool = False,
        max_beam_width: int = 1,
        encoder_output_lens: None = None,
        num_extra_decoding_steps: int = 0,
        draft_kv_cache_manager: None = None,
        capture_sampling_params: Any = None,
    ) -> list[LlmRequest] | None:
        """Requests of so many tokens each, one and the drafts by default. None without a free block to begin with.

        Raises RuntimeError when the blocks run out in the middle; what this call took is given back then.
        """
        if self.bench.rank.manager.free_blocks < 1:
            return None
        reserve = max_num_draft_tokens if kv_reserve_draft_tokens is None else kv_reserve_draft_tokens
        sampling = "greedy" if capture_sampling_params is None else "advanced"
        made: list[LlmRequest] = []
        for number, ident in enumerate(request_ids):
            tokens = 1 + max_num_draft_tokens if token_nums is None else token_nums[number]
            room = tokens + self.num_extra_kv_tokens + num_extra_decoding_steps + (reserve if is_gen else 0)
            blocks = self.bench.rank.manager.allocate(room) if prepare_resource else []
            if blocks is None:
                free = self.bench.rank.manager.free_blocks
                for request in made:
                    self.free_resources(request)
                raise RuntimeError(f"no free KV blocks: dummy request {ident} of {room} tokens, {free} blocks are left")
            made.append(LlmRequest(ident, tokens, blocks, is_gen, max_num_draft_tokens, sampling))
            self.held[ident] = blocks
        return made

    def free_resources(self, request: LlmRequest, pin_on_release: bool = False) -> None:
        """Give a request's blocks back; nothing, when it has none any more."""
        blocks = self.held.pop(request.py_request_id, None)
        if blocks:
            self.bench.rank.manager.free(blocks)

    def check_invalid_values_in_kv_cache(self, fill_with_zero: bool = False) -> bool:
        """The minimal engine's model writes finite values for any input."""
        return False


class ResourceManager(StandIn):
    """One KV cache, and no manager of anything else."""

    def __init__(self, kv_cache_manager: KVCacheManager) -> None:
        super().__init__(kv_cache_manager=kv_cache_manager)

    def get_resource_manager(self, name: str) -> KVCacheManager | None:
        """The manager of a kind; None for what the minimal engine has none of."""
        return self.kv_cache_manager if name == RESOURCE_MANAGER_TYPE.KV_CACHE_MANAGER else None


def extra_kv_tokens(draft_len: int) -> int:
    """Tokens that one-engine speculation takes on top of a sequence."""
    return max(0, draft_len - 1)
