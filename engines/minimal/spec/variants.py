"""Habits: what an engine does outside of the phases' guards. The first value of each is sound, others upstream's mistakes.

One list for the scenario schema and for the ranks. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _habit(default: str, description: str) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True, slots=True)
class Habits:
    """docs/scenarios.md has the same table."""

    out_of_memory: Literal["raise", "skip", "skip-and-reset"] = _habit(
        "raise",
        "`skip`: a rank that runs out of memory in a warm-up forward drops the shape, as upstream before #17667; "
        "`skip-and-reset`: and forgets the dispatch that has no combine (#14000)",
    )
    memory_check: Literal["none", "before"] = _habit(
        "none", "`before`: a warm-up request whose workspace does not fit is none, and the phase's guard decides (#13177)"
    )
    rank_crash: Literal["none", "kill", "kill-with-grace", "probe"] = _habit(
        "none",
        "what a rank that failed does to its peers: nothing, `kill`: MPI_Abort at once, `kill-with-grace`: its error first "
        "(#16592), `probe`: only if not all ranks have failed (#19456)",
    )
    on_hang: Literal["abort", "graceful"] = _habit(
        "abort", "what the hang detector does when it fires: MPI_Abort, or `graceful`: a shutdown that meets all ranks"
    )
    graph_choice: Literal["agree", "none"] = _habit(
        "agree", "whether ranks agree on the graph of a step; `none`: each goes by its own batch"
    )
    idle_rank: Literal["dummy", "allocate", "skip", "extend", "empty-extend"] = _habit(
        "dummy",
        "what a rank without requests does: a dummy in the scratch block, `allocate`: one in a KV block of its own, "
        "`skip`: no step, `extend`: it counts the prompts of a batch that has none (sglang#25404), `empty-extend`: it takes "
        "the last token of its padding, of which none is its own (sglang#39899)",
    )
    transfer_check: Literal["always", "any", "gated"] = _habit(
        "always",
        "when ranks of a context server exchange which transfers are done: in each step; `gated`: a rank does when none of "
        "its requests fits; `any`: all do when one of them is in that place",
    )
    empty_batch: Literal["veto", "pad"] = _habit(
        "veto", "what a rank does of whose requests none fits: it vetoes the step for all, or runs a dummy beside its peers"
    )
    capture_exit: Literal["plain", "collective"] = _habit(
        "plain", "`collective`: leaving a graph's capture runs a collective, also when an error leaves it"
    )
    clock_order: Literal["same", "by-parity"] = _habit(
        "same", "`by-parity`: odd ranks meet on world and on the group in the other order"
    )
    tactic_exchange: Literal["none", "alone", "always", "on-miss", "vote", "per-tactic"] = _habit(
        "none",
        "whether the autotuner chooses tactics, and exchanges them: `alone`, `always`, `on-miss`: those that had to tune, "
        "`vote`: all tune if any must, `per-tactic`: each timing is averaged over the ranks",
    )
    tuned_forward: Literal["run", "skip-on-hit"] = _habit(
        "run", "the autotuner's forward of a shape that its cache knows; `skip-on-hit`: it is left out (#14240)"
    )
    tuning_memory: Literal["private", "symmetric", "symmetric-on-all"] = _habit(
        "private",
        "the autotuner's buffers; `symmetric`: ranks that tune allocate them by a collective, `symmetric-on-all`: all "
        "ranks, once, before they tune (sglang#18908)",
    )
    compile_sync: Literal["none", "on-miss", "agree"] = _habit(
        "none",
        "compiling for a new number of tokens: alone, `on-miss`: by a collective of the ranks that must, `agree`: all "
        "compile if any must (pytorch#155558)",
    )
    stage_barrier: Literal["none", "group", "world"] = _habit(
        "none", "a barrier before each warm-up phase, and after the last: of the group, or of the world"
    )
    token_counts: Literal["gather", "assume"] = _habit(
        "gather", "how a rank knows its peers' tokens in a warm-up forward; `assume`: as many as its own"
    )
    step_broadcast: Literal["none", "checked", "checked-late"] = _habit(
        "none",
        "whether the first rank of a group that has the same requests tells the others each step, by a broadcast of its own "
        "with a deadline; `checked-late`: that it was given up is looked at only when the next begins (exllamav3#302)",
    )
    first_touch: Literal["in-forward", "prewarm"] = _habit(
        "in-forward", "when kernels are compiled; `prewarm`: before the warm-up, with a barrier behind (#17376)"
    )
    phase_entry: Literal["agree", "general-only", "own"] = _habit(
        "agree",
        "under the guard `agree` of the general phase: whether ranks agree on what a guided decoder turns off, which only "
        "the last pipeline stage has; `general-only`: not for the attention shapes, as upstream since the follow-up of "
        "#17667; `own`: not at all, as before",
    )
    cache_hand_off: Literal["after", "in-forward", "always"] = _habit(
        "after",
        "when a pipeline stage takes over the autotuner's cache: `in-forward`: at its first layer with experts, which also "
        "lets it hand the cache on; `after`: at the latest after the forward; `always`: also when the forward has failed",
    )
    capture_recv: Literal["matched", "unmatched"] = _habit(
        "matched",
        "`unmatched`: a later pipeline stage receives a graph's input before the capture, though none sends it",
    )
    request_send: Literal["wait", "async"] = _habit(
        "wait", "how a pipeline stage hands new requests on; `async`: waited for only before the next ones (#10665)"
    )
    pp_schedule: Literal["first", "own"] = _habit(
        "first", "who schedules for a pipeline: its first stage, or each stage by its own free blocks"
    )
    stop_criteria: Literal["device", "host", "host-unmarked"] = _habit(
        "device",
        "how the last stage finds that a request is finished; `host`: it says so to the others, which then do the same; "
        "`host-unmarked`: it does not (#16131)",
    )
    mtp_layers: Literal["last-stage", "removed"] = _habit(
        "last-stage", "`removed`: the last pipeline stage drops the draft layers too, which it needs"
    )
    stage_send: Literal["eager", "lazy"] = _habit(
        "eager", "`lazy`: a pipeline stage hands its hidden states on only after it has asked for the sampled tokens"
    )
    encoder: Literal["own-group", "global-group"] = _habit(
        "own-group",
        "over whom the encoder of a prompt with an image reduces; `global-group`: all ranks, under attention DP too",
    )
    # Of vLLM's engine core of a data-parallel rank, and what others do at the same places.
    zero_token_step: Literal["dummy", "by-backend", "skip"] = _habit(
        "dummy",
        "what an engine core does when requests are there and no token is scheduled: a dummy; `by-backend`: one under "
        "`external_launcher` only; `skip`: no forward",
    )
    dp_exchange: Literal["tokens-and-mode", "tokens", "mode", "nothing"] = _habit(
        "tokens-and-mode",
        "what data-parallel ranks tell each other before a forward: token counts, graph or eager, both, or nothing",
    )
    dummy_graph: Literal["padded", "unpadded"] = _habit(
        "padded", "whether a dummy's graph goes by the agreed token count, or by its own"
    )
    request_counts: Literal["agree", "local"] = _habit(
        "agree", "whether ranks agree on a graph for prompts or for generation; `local`: each goes by its own requests"
    )
    sparse_prefill: Literal["max-len", "eager", "sum-len"] = _habit(
        "max-len",
        "where some ranks have prompts and others nothing: these make a prompt up and all replay one graph; `eager`: none "
        "replays; `sum-len`: those with prompts replay, the others run eager",
    )
    start_wave: Literal["two-phase", "unless-paused", "always"] = _habit(
        "two-phase",
        "when a message starts a paused engine core: until all have agreed to pause; `unless-paused`: never; `always`",
    )
    resume: Literal["by-pause", "by-running"] = _habit(
        "by-pause",
        "which resume is a duplicate without a collective: of a core that is not paused, or `by-running`: that runs",
    )
    sleeping_rank: Literal["skip-compute", "skip-step", "dummy"] = _habit(
        "skip-compute",
        "a step without requests while the KV cache sleeps: no forward; `skip-step`: no agreement either; `dummy`: as ever",
    )
    drafter: Literal["always", "when-fitting"] = _habit(
        "always",
        "whether a step has a drafter's forward: `always`, with padding for requests that have no room for drafts; "
        "`when-fitting`: only if all of the rank's requests have",
    )
    draft_graph: Literal["agree", "agree-attention-tp", "local"] = _habit(
        "agree",
        "who agrees on graph or eager for the drafter: all ranks; `agree-attention-tp`: the attention group, which is the "
        "rank alone; `local`: nobody",
    )
    generate_end: Literal["synced", "eos", "max-length"] = _habit(
        "synced",
        "when a rank leaves `generate`: with all others (`synced_gpus`); `eos`: at the end of its own requests; "
        "`max-length`: at the longest request's length, if it has any",
    )
    image_split: Literal["tensor", "image", "image-but-embedding"] = _habit(
        "tensor",
        "how ranks without attention DP share an encoder: each has a shard; `image`: each has some images; "
        "`image-but-embedding`: but the position embedding is still sharded",
    )
    grammar_sync: Literal["own-group", "global-group"] = _habit(
        "own-group",
        "over whom ranks agree on how many grammars are compiled; `global-group`: all ranks, under attention DP too",
    )
    request_clock: Literal["first-rank", "own"] = _habit(
        "first-rank",
        "whose clock ends requests that wait too long: that of the first rank, which tells the others, or each rank's own",
    )
    kv_quota: Literal["own", "min"] = _habit(
        "own", "how many KV blocks a rank uses: as many as it has, or `min`: as the rank that has the fewest"
    )
    block_ids: Literal["own", "first-rank"] = _habit(
        "own",
        "who says which KV blocks a request gets where ranks share requests; `first-rank`: one for all, by its own pool",
    )
    prefix: Literal["agreed", "local"] = _habit(
        "agreed",
        "how much of a prompt ranks with the same requests reuse: what all of them have, or each what it has itself",
    )
    host_quota: Literal["own", "min"] = _habit("own", "how many blocks a rank's host tier has: its own number, or the least")
    host_write: Literal["reserve", "always", "gated"] = _habit(
        "reserve",
        "how ranks write to the host tier: all or none; `always`: each if it can, and all exchange what has ended; `gated`: "
        "only those exchange it that have written",
    )
    prefetch_check: Literal["all-waiting", "until-full"] = _habit(
        "all-waiting", "for which requests ranks agree on their prefetch: all that wait, or until no more fits this rank"
    )
    kv_receive: Literal["agree", "own"] = _habit(
        "agree",
        "whether ranks use KV that an earlier stage sent: all or none of them, or each that has got its part in time",
    )
    startup_barrier: Literal["none", "plain", "monitored"] = _habit(
        "none", "how ranks meet after loading, before a communicator is made inside graph capture; `monitored`: by messages"
    )
    feed_rank: Literal["global", "local"] = _habit(
        "global", "by which of its numbers a rank finds that it is the source of its attention group's requests"
    )
    remote_blocks: Literal["each", "first"] = _habit(
        "each", "how many KV blocks a replica takes its neighbour to have: what that one says, or what the first rank has"
    )
