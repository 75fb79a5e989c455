"""GPUs handed out to cases side by side: no GPU is in two hands, nobody is forgotten, and an end is heard."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.gpu_pool import GpuPool, on_gpus
from harness.scenario.case import Case
from tests.watch.launch import case


def on_gpu(ranks: int, plane: str = "auto", device: str = "cuda") -> Case:
    """A case of so many ranks."""
    return replace(case("clean", ranks), spec={"device": device, "gpu": {"plane": plane}})


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["auto", "symm_mem"])), min_size=1, max_size=12),
)
def test_no_gpu_is_in_two_hands(count: int, wanted: list[tuple[int, str]]) -> None:
    """A case whose ranks have a GPU each shares none of them with anybody; all cases get what they need, sooner or later."""
    pool = GpuPool([str(number) for number in range(count)])
    held: dict[str, list[bool]] = {name: [] for name in pool.names}
    lock = threading.Lock()
    faults: list[str] = []
    done: list[int] = []

    def run(one: Case) -> None:
        need, alone = pool.need(one)
        with pool.seats(one) as gpus:
            with lock:
                if len(set(gpus)) != need:
                    faults.append(f"{need} wanted, {gpus} given")
                faults.extend(name for name in gpus if held[name] and (alone or True in held[name]))
                for name in gpus:
                    held[name].append(alone)
            time.sleep(0.001)
            with lock:
                for name in gpus:
                    held[name].remove(alone)
                done.append(one.ranks)

    threads = [threading.Thread(target=run, args=(on_gpu(*one),)) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(done) == len(wanted)


def test_two_of_four_ranks_on_eight_gpus() -> None:
    """Two 4-rank cases run side by side on eight GPUs, each on four of its own; a third waits."""
    pool = GpuPool([str(number) for number in range(8)])
    with pool.seats(on_gpu(4)) as first, pool.seats(on_gpu(4)) as second:
        assert (first, second) == (("0", "1", "2", "3"), ("4", "5", "6", "7"))
        with pytest.raises(KeyboardInterrupt), pool.seats(on_gpu(4), lambda: True):
            pass
    with pool.seats(on_gpu(8)) as all_of_them:
        assert len(all_of_them) == 8


@pytest.mark.parametrize(
    ("one", "need"),
    [
        (on_gpu(4), (4, True)),
        (on_gpu(8), (1, False)),
        (on_gpu(2, "symm_mem"), (1, False)),
        (on_gpu(2, device="cpu"), (0, False)),
    ],
)  # fmt: skip
def test_need(one: Case, need: tuple[int, bool]) -> None:
    """Ranks that outnumber the GPUs, or are to share one, take one; a case on the CPU takes none."""
    assert GpuPool("0123").need(one) == need


def test_cases_that_share_are_spread() -> None:
    """Cases whose ranks share a GPU go to the one with the fewest of them."""
    pool = GpuPool("01")
    with pool.seats(on_gpu(4)) as first, pool.seats(on_gpu(4)) as second, pool.seats(on_gpu(4)) as third:
        assert sorted(first + second) == ["0", "1"]
        assert third in (first, second)


def test_visible_devices_of_the_user() -> None:
    """Only the GPUs that the environment leaves to us are handed out, by the names that it has for them."""
    assert GpuPool.visible(8, {"CUDA_VISIBLE_DEVICES": "3, GPU-ab"}).names == ("3", "GPU-ab")
    assert GpuPool.visible(2, {}).names == ("0", "1")
    assert GpuPool.visible(2, {"CUDA_VISIBLE_DEVICES": ""}).names == ()


def test_ranks_see_their_gpus_only() -> None:
    """A case that runs beside others tells its ranks which GPUs are theirs, in NVML's order; a lone one tells nothing."""
    one = replace(on_gpu(2), spec={"device": "cuda", "environment": {"A": "1"}})
    seated = on_gpus(one, ("2", "3"))
    assert seated.spec["environment"] == {"A": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "2,3"}
    assert one.spec["environment"] == {"A": "1"}
    assert on_gpus(one, ()) is one
