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
        "tokens-and-mode", "what data-parallel ranks tell each other before a forward: token counts, graph or eager, both, or nothing"
    )
    dummy_graph: Literal["padded", "unpadded"] = _habit(
        "padded", "whether a dummy's graph goes by the agreed token count, or by its own"
    )
    request_counts: Literal["agree", "local"] = _habit(
        "agree", "whether ranks agree on a graph for prompts or for generation; `local`: each goes by its own requests"
    )
    sparse_prefill: Literal["max-len", "eager", "sum-len"] = _habit(
        "max-len",
        "where some ranks have prompts and others nothing: these make a prompt up and replay the same graph; `eager`: no rank "
        "replays; `sum-len`: those with prompts replay, the others run eager",
    )
    start_wave: Literal["two-phase", "unless-paused", "always"] = _habit(
        "two-phase",
        "when a message starts a paused engine core: until all have agreed to pause; `unless-paused`: never; `always`",
    )
    resume: Literal["by-pause", "by-running"] = _habit(
        "by-pause", "which resume is a duplicate without a collective: of a core that is not paused, or `by-running`: that runs"
    )
    sleeping_rank: Literal["skip-compute", "skip-step", "dummy"] = _habit(
        "skip-compute",
        "a step without requests while the KV cache sleeps: no forward; `skip-step`: no agreement either; `dummy`: as ever",
    )
