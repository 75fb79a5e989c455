"""The registry of points: every place at which a scenario may ask for another engine's behaviour, in the order of its keys.

The scenario schema and the check of a rank's settings are made from it. A new variant of a place is a class in the file of
its point, named there by a word; a new place is a file in `variants/` of its room, and a line here.
"""

from __future__ import annotations

from typing import Any

from lockstep.engines.minimal.control.variants.feed_rank import FEED_RANK
from lockstep.engines.minimal.control.variants.mtp_layers import MTP_LAYERS
from lockstep.engines.minimal.control.variants.pp_schedule import PP_SCHEDULE
from lockstep.engines.minimal.control.variants.request_send import REQUEST_SEND
from lockstep.engines.minimal.control.variants.stage_send import STAGE_SEND
from lockstep.engines.minimal.control.variants.startup_barrier import STARTUP_BARRIER
from lockstep.engines.minimal.control.variants.step_broadcast import STEP_BROADCAST
from lockstep.engines.minimal.control.variants.stop_criteria import STOP_CRITERIA
from lockstep.engines.minimal.data_parallel.variants.dp_exchange import DP_EXCHANGE
from lockstep.engines.minimal.data_parallel.variants.draft_graph import DRAFT_GRAPH
from lockstep.engines.minimal.data_parallel.variants.drafting import DRAFTER
from lockstep.engines.minimal.data_parallel.variants.dummy_graph import DUMMY_GRAPH
from lockstep.engines.minimal.data_parallel.variants.request_counts import REQUEST_COUNTS
from lockstep.engines.minimal.data_parallel.variants.resume import RESUME
from lockstep.engines.minimal.data_parallel.variants.sleeping_rank import SLEEPING_RANK
from lockstep.engines.minimal.data_parallel.variants.sparse_prefill import SPARSE_PREFILL
from lockstep.engines.minimal.data_parallel.variants.start_wave import START_WAVE
from lockstep.engines.minimal.data_parallel.variants.zero_token_step import ZERO_TOKEN_STEP
from lockstep.engines.minimal.failure.variants.on_hang import ON_HANG
from lockstep.engines.minimal.failure.variants.rank_crash import RANK_CRASH
from lockstep.engines.minimal.forward.variants.capture_recv import CAPTURE_RECV
from lockstep.engines.minimal.forward.variants.compile_sync import COMPILE_SYNC
from lockstep.engines.minimal.forward.variants.graph_choice import GRAPH_CHOICE
from lockstep.engines.minimal.forward.variants.token_counts import TOKEN_COUNTS
from lockstep.engines.minimal.kv.variants.block_ids import BLOCK_IDS
from lockstep.engines.minimal.kv.variants.host_write import HOST_WRITE
from lockstep.engines.minimal.kv.variants.prefetch_check import PREFETCH_CHECK
from lockstep.engines.minimal.kv.variants.prefix import PREFIX
from lockstep.engines.minimal.kv.variants.quota import HOST_QUOTA, KV_QUOTA
from lockstep.engines.minimal.serving.variants.empty_batch import EMPTY_BATCH
from lockstep.engines.minimal.serving.variants.encoder_group import ENCODER
from lockstep.engines.minimal.serving.variants.generate_end import GENERATE_END
from lockstep.engines.minimal.serving.variants.grammar_sync import GRAMMAR_SYNC
from lockstep.engines.minimal.serving.variants.idle_rank import IDLE_RANK
from lockstep.engines.minimal.serving.variants.image_split import IMAGE_SPLIT
from lockstep.engines.minimal.serving.variants.kv_receive import KV_RECEIVE
from lockstep.engines.minimal.serving.variants.remote_blocks import REMOTE_BLOCKS
from lockstep.engines.minimal.serving.variants.request_clock import REQUEST_CLOCK
from lockstep.engines.minimal.serving.variants.transfer_check import TRANSFER_CHECK
from lockstep.engines.minimal.spec.points import Point
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.variants.cache_hand_off import CACHE_HAND_OFF
from lockstep.engines.minimal.warmup.variants.capture_exit import CAPTURE_EXIT
from lockstep.engines.minimal.warmup.variants.clock_order import CLOCK_ORDER
from lockstep.engines.minimal.warmup.variants.first_touch import FIRST_TOUCH
from lockstep.engines.minimal.warmup.variants.memory_check import MEMORY_CHECK
from lockstep.engines.minimal.warmup.variants.out_of_memory import OUT_OF_MEMORY
from lockstep.engines.minimal.warmup.variants.phase_entry import PHASE_ENTRY
from lockstep.engines.minimal.warmup.variants.stage_barrier import STAGE_BARRIER
from lockstep.engines.minimal.warmup.variants.tactic_exchange import TACTIC_EXCHANGE
from lockstep.engines.minimal.warmup.variants.tuned_forward import TUNED_FORWARD
from lockstep.engines.minimal.warmup.variants.tuning_memory import TUNING_MEMORY

POINTS: tuple[Point[Any], ...] = (
    OUT_OF_MEMORY,
    MEMORY_CHECK,
    RANK_CRASH,
    ON_HANG,
    GRAPH_CHOICE,
    IDLE_RANK,
    TRANSFER_CHECK,
    EMPTY_BATCH,
    CAPTURE_EXIT,
    CLOCK_ORDER,
    TACTIC_EXCHANGE,
    TUNED_FORWARD,
    TUNING_MEMORY,
    COMPILE_SYNC,
    STAGE_BARRIER,
    TOKEN_COUNTS,
    STEP_BROADCAST,
    FIRST_TOUCH,
    PHASE_ENTRY,
    CACHE_HAND_OFF,
    CAPTURE_RECV,
    REQUEST_SEND,
    PP_SCHEDULE,
    STOP_CRITERIA,
    MTP_LAYERS,
    STAGE_SEND,
    ENCODER,
    ZERO_TOKEN_STEP,
    DP_EXCHANGE,
    DUMMY_GRAPH,
    REQUEST_COUNTS,
    SPARSE_PREFILL,
    START_WAVE,
    RESUME,
    SLEEPING_RANK,
    DRAFTER,
    DRAFT_GRAPH,
    GENERATE_END,
    IMAGE_SPLIT,
    GRAMMAR_SYNC,
    REQUEST_CLOCK,
    KV_QUOTA,
    BLOCK_IDS,
    PREFIX,
    HOST_QUOTA,
    HOST_WRITE,
    PREFETCH_CHECK,
    KV_RECEIVE,
    STARTUP_BARRIER,
    FEED_RANK,
    REMOTE_BLOCKS,
)


def check(settings: Settings) -> None:
    """Raise ValueError for a variant that this engine does not have, as one of another commit may, and for one unsaid."""
    known = {point.key: point.variants for point in POINTS}
    asked = settings.variants
    strange = [f"{key}: {word}" for key, word in asked.items() if word not in known.get(key, ())]
    strange += [f"{key}: nothing" for key in known if key not in asked]
    if strange:
        raise ValueError(f"this engine does not know {', '.join(strange)}")
