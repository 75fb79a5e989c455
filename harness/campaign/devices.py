"""Which device each case runs on: what the scenario says, what the user says, and what this machine has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lockstep.harness.host.gpus import VISIBLE, Gpu
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.scenario.case import Case


@dataclass(frozen=True, slots=True)
class Machine:
    """The GPUs of the hosts of a run, and whether torch can use them there. `where`: which hosts these are, in words.

    `hidden`: CUDA_VISIBLE_DEVICES leaves none of them to the run.
    """

    gpus: Sequence[Gpu]
    torch_has_cuda: bool
    where: str = "this host"
    hidden: bool = False

    @property
    def lack(self) -> str:
        """Why there is no device `cuda` here; empty when there is."""
        if not self.gpus:
            return f"NVML finds no GPU on {self.where}"
        if self.hidden:
            return f"{VISIBLE} leaves none of the GPUs of {self.where} to this run"
        return "" if self.torch_has_cuda else "this torch was built without CUDA"


def assign(cases: Sequence[Case], wanted: str, machine: Machine) -> tuple[list[Case], list[str]]:
    """The cases that can run here, each with its device, and sentences about what was picked and why.

    `wanted`: auto, cpu or cuda. Cases that need a GPU are left out where none is to be used. Raises LaunchError when
    `cuda` is wanted and there is none, or when nothing is left.
    """
    if wanted == "cuda" and machine.lack:
        raise LaunchError(f"--device cuda: {machine.lack}; `lockstep doctor` says more")
    device = "cuda" if not machine.lack and wanted != "cpu" else "cpu"
    said = [f"device {device}: {_reason(device, wanted, machine)}"]
    chosen = [_on(case, device) for case in cases]
    kept = [case for case in chosen if case.spec["device"] == "cpu" or device == "cuda"]
    if len(kept) < len(cases):
        why = machine.lack or "--device cpu was given"
        said.append(f"{len(cases) - len(kept)} of {len(cases)} cases need a GPU and are left out: {why}")
    if not kept:
        raise LaunchError(said[-1])
    return kept, said


def _on(case: Case, device: str) -> Case:
    return replace(case, spec={**case.spec, "device": device}) if case.spec["device"] == "auto" else case


def _reason(device: str, wanted: str, machine: Machine) -> str:
    if device == "cuda":
        first = machine.gpus[0]
        count = f"{len(machine.gpus)} x {first.name}" if len(machine.gpus) > 1 else first.name
        return f"{count}, {first.memory_bytes >> 20} MiB each, driver {first.driver}"
    return "--device cpu was given" if wanted == "cpu" else machine.lack
