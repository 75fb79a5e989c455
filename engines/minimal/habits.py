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

    out_of_memory: Literal["raise", "skip"] = _habit(
        "raise", "`skip`: a rank that runs out of memory in a warm-up forward drops the shape, as upstream before #17667"
    )
    graph_choice: Literal["agree", "none"] = _habit(
        "agree", "whether ranks agree on the graph of a step; `none`: each goes by its own batch"
    )
    idle_rank: Literal["dummy", "allocate", "skip"] = _habit(
        "dummy",
        "what a rank without requests does: a dummy in the scratch block, `allocate`: one in a KV block of its own, "
        "`skip`: no step",
    )
    transfer_check: Literal["none", "always", "gated"] = _habit(
        "none", "a status all-gather in each step: `always`, or `gated`: only on a rank that can admit none of its requests"
    )
    capture_exit: Literal["plain", "collective"] = _habit(
        "plain", "`collective`: leaving a graph's capture runs a collective, also when an error leaves it"
    )
    clock_order: Literal["same", "by-parity"] = _habit(
        "same", "`by-parity`: odd ranks meet on world and on the group in the other order"
    )
    tactic_exchange: Literal["none", "always", "on-miss"] = _habit(
        "none", "after each autotuner shape ranks exchange tactics: `always`, or `on-miss`: those that had to tune"
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
