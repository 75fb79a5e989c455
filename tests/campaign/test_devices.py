"""`--device`: what is picked, why, and which cases are left out."""

from __future__ import annotations

import pytest

from lockstep.harness.campaign.devices import Machine, assign
from lockstep.harness.host.gpus import Gpu
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.load import load_all

H100 = Gpu(0, "NVIDIA H100", "580", 80 << 30, 0, {})
GPU, NO_GPU, NO_CUDA = Machine([H100], True), Machine([], True), Machine([H100], False)
HIDDEN = Machine([H100], True, hidden=True)


def cases() -> list[Case]:
    """One case for any device, one that needs a GPU."""
    return [
        load_all([path])[0] for path in ("scenarios/tensorrt_llm/max-batch-size-1.yaml", "scenarios/gpu/skipped-replay.yaml")
    ]


@pytest.mark.parametrize(
    ("wanted", "machine", "devices", "words"),
    [
        ("auto", GPU, ["cuda", "cuda"], "NVIDIA H100"),
        ("auto", NO_GPU, ["cpu"], "NVML finds no GPU"),
        ("auto", NO_CUDA, ["cpu"], "without CUDA"),
        ("auto", HIDDEN, ["cpu"], "CUDA_VISIBLE_DEVICES leaves none of the GPUs of this host"),
        ("cpu", GPU, ["cpu"], "--device cpu was given"),
        ("cuda", GPU, ["cuda", "cuda"], "NVIDIA H100"),
    ],
)
def test_choice(wanted: str, machine: Machine, devices: list[str], words: str) -> None:
    """Each case gets its device, and the user reads which and why."""
    kept, said = assign(cases(), wanted, machine)
    assert [case.spec["device"] for case in kept] == devices
    assert words in said[0]
    assert len(said) == (1 if len(kept) == 2 else 2)


@pytest.mark.parametrize("machine", [NO_GPU, NO_CUDA, HIDDEN])
def test_cuda_that_is_not_there(machine: Machine) -> None:
    """Asking for a GPU where there is none runs nothing."""
    with pytest.raises(LaunchError, match="--device cuda"):
        assign(cases(), "cuda", machine)


def test_nothing_left() -> None:
    """A run of which nothing is left says so instead of ending green."""
    with pytest.raises(LaunchError, match="1 of 1 cases need a GPU"):
        assign(cases()[1:], "auto", NO_GPU)
