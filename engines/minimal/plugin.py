"""The minimal engine as the harness sees it: sections, spec, what it needs of hosts, command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any, TypeVar

import lockstep
from lockstep.engines.minimal import checkout
from lockstep.engines.minimal.spec.blocks import block_facts, pool_bytes
from lockstep.engines.minimal.spec.capacity import capacity, per_rank, whole_per_rank
from lockstep.engines.minimal.spec.impossible import wrong_sections, wrong_settings
from lockstep.engines.minimal.spec.schema import PHASES, PRESETS, VARIANTS, Guards
from lockstep.engines.minimal.spec.sections import Sections, ServingSections
from lockstep.harness.engine_api import EngineBase, ForeignConfig, Imported, Path, Resources

RANK_BYTES = 150 << 20  # that no other process shares: what torch and MPI take of themselves
MODEST_BYTES = 4 << 30  # of a GPU: a few such ranks fit beside each other on any that serves models
LIBRARIES = ("numpy.random", "torch", "torch.distributed", "torch.utils._python_dispatch")
# Of the engine what knows nothing of MPI.
OWN = (
    *("variants", "comm.data_plane", "comm.gloo_late", "data_parallel.engine_core", "device.cpu", "device.estimation"),
    *("forward.model_engine", "serving.executor", "serving.generation", "warmup.autotuner_pipeline", "warmup.warm_up"),
)
S = TypeVar("S", bound=ServingSections)


class ServingEngine(EngineBase[S]):
    """What all engines have in common that run on the minimal one's ranks."""

    phases = ("init", *PHASES, "clock", "decode", "jit")

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of the spec that follow from the section `guards`: each phase's guard, and which phases there are."""
        raise NotImplementedError

    def ranks(self, sections: S) -> int:
        """Tensor-parallel ranks of every pipeline stage."""
        return sections.parallel.tp * sections.parallel.pp

    def check_sections(self, sections: S, ranks: int) -> Sequence[tuple[Path, str]]:
        """Numbers that do not fit each other."""
        return list(wrong_sections(sections, ranks))

    def spec(self, sections: S, ranks: int) -> dict[str, Any]:
        """All that the ranks get, amounts as one number for each of them."""
        unit, amount = capacity(sections.kv_capacity)
        parallel, values = sections.parallel, per_rank(amount, ranks)
        return {
            "parallel": {**parallel.model_dump(), "ep": parallel.ep or parallel.tp},
            "config": sections.config.model_dump(),
            "kv_capacity": {"unit": unit, "per_rank": values if unit == "fraction" else [int(value) for value in values]},
            **self.resolve(sections.guards.model_dump()),
            "workload": sections.workload.model_dump(),
            "on_error": sections.on_error,
            "gpu": {**sections.gpu.model_dump(), "memory_bytes": whole_per_rank(sections.gpu.memory_bytes, ranks)},
            "cpu": {"memory_bytes": whole_per_rank(sections.cpu.memory_bytes, ranks)},
        }

    def check(self, spec: Mapping[str, Any]) -> Sequence[tuple[Path, str]]:
        """Settings that cannot be."""
        return wrong_settings(spec)

    def facts(self, spec: Mapping[str, Any]) -> Mapping[str, str]:
        """How many blocks of the KV cache each rank has."""
        return block_facts(spec)

    def host_bytes(self, spec: Mapping[str, Any]) -> int:
        """Of each rank a process with torch and MPI, and its pool of KV blocks."""
        return pool_bytes(spec) + RANK_BYTES * len(spec["kv_capacity"]["per_rank"])

    def preload(self, spec: Mapping[str, Any]) -> Sequence[str]:
        """What takes a second, and the engine itself where it is no checkout, whose commit may be another the next time."""
        return (*LIBRARIES, *(() if spec.get("tree") else (f"lockstep.engines.minimal.{name}" for name in OWN)))

    def resources(self, spec: Mapping[str, Any]) -> Resources:
        """A GPU for each rank, or by symmetric memory one for all."""
        gpus = spec["gpu"]
        alone = gpus["plane"] == "symm_mem"
        return Resources("one" if alone else "each-or-one", is_modest(spec), _one_host(spec))


class MinimalEngine(ServingEngine[Sections]):
    """Entry point `minimal`."""

    name = "minimal"
    sections = Sections
    less_memory = "fewer KV blocks (--set kv_capacity.blocks=N)"

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """Each phase's guard and which phases exist: the preset's, refined by the phases named beside it."""
        preset = PRESETS[guards["preset"]]
        named = {phase: guards[phase] for phase in PHASES if guards.get(phase) is not None}
        chosen = {**preset, **named}
        return {
            "guards": {phase: chosen.get(phase, "none") for phase in PHASES},
            "habits": {name: guards.get(name, Guards.model_fields[name].default) for name in VARIANTS},
            "warmup": {phase: phase in chosen for phase in PHASES},
        }

    def imported(self, config: ForeignConfig) -> Imported:
        """A config of TensorRT-LLM, vLLM or SGLang. The tables of keys are read here only."""
        from lockstep.engines.minimal.upstream.importing import import_config

        return import_config(config)

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """One rank: all it needs comes in its environment. Modules of the current folder are not taken for its own."""
        return [sys.executable, checkout.__file__, *lockstep.__path__, spec.get("tree") or str(File(__file__).parents[1])]

    def tree(self, spec: Mapping[str, Any]) -> str:
        """The folder of the checkout that runs, or of this very code."""
        return spec.get("tree") or str(File(__file__).parent)

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """Ranks run `lockstep.engines.minimal` of the checkout; `tree` is its `engines` folder or one that holds it."""
        return {**spec, "tree": checkout.engines_folder(tree)}


def is_modest(spec: Mapping[str, Any]) -> bool:
    """Whether each rank surely takes little of its GPU's memory, whatever is free: other cases may then be there too."""
    budgets = spec["gpu"]["memory_bytes"]
    if budgets is not None:
        return bool(max(budgets) <= MODEST_BYTES)
    amount = spec["kv_capacity"]
    if amount["unit"] == "bytes":
        return bool(max(amount["per_rank"]) <= MODEST_BYTES)
    return bool(amount["unit"] == "blocks")


def _one_host(spec: Mapping[str, Any]) -> str:
    """What goes by memory or files of one host."""
    if spec["habits"]["step_broadcast"] != "none":
        return "guards.step_broadcast goes by shared memory"
    if spec["config"]["autotuner_cache"] == "first-rank-file":
        return "with config.autotuner_cache: first-rank-file all read one file"
    return "with gpu.plane: symm_mem all share one GPU" if spec["gpu"]["plane"] == "symm_mem" else ""


ENGINE = MinimalEngine()
