"""What a case takes of its hosts, whichever these are: the only place of this room that looks into a case's spec. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine, is_attached

MODEST_BYTES = 4 << 30  # of a GPU: a few such cases fit beside each other on any that serves models


@dataclass(frozen=True, slots=True)
class Resources:
    """Whether its ranks use GPUs, and how.

    `own_gpus`: a rank may have a GPU to itself; else all ranks of a host share one. `modest`: it surely leaves room for
    other cases on its GPUs. `every_gpu`: how many it uses is not known. `here_only`: nothing starts it on another host.
    """

    gpu: bool = False
    own_gpus: bool = True
    modest: bool = False
    every_gpu: bool = False
    here_only: bool = False


def resources_of(case: Case) -> Resources:
    """What a case takes."""
    attached = is_attached(find_engine(case.engine))
    settings = case.spec.get("gpu") or {}
    return Resources(
        gpu=case.spec.get("device") == "cuda",
        own_gpus=settings.get("plane") != "symm_mem",
        modest=_is_modest(case),
        every_gpu=attached,
        here_only=attached and case.spec["config"].get("launcher") == "none",
    )


def _is_modest(case: Case) -> bool:
    """Whether each rank surely takes little of its GPU's memory, whatever is free: other cases may then be there too."""
    budgets = (case.spec.get("gpu") or {}).get("memory_bytes")
    if budgets is not None:
        return bool(max(budgets) <= MODEST_BYTES)
    capacity = case.spec.get("kv_capacity") or {}
    if capacity.get("unit") == "bytes":
        return bool(max(capacity["per_rank"]) <= MODEST_BYTES)
    return capacity.get("unit") == "blocks"
