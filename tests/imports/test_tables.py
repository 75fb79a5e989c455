"""The tables of upstream's keys: each has its release and source, and every name in them leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.engines.minimal.upstream.tables import PRODUCTS, Table, table
from tests.imports.support import notes, of_file

LEAST = {"trtllm": 370, "vllm": 410, "sglang": 540}
# A few that users were seen to have, of each product.
SEEN = {
    "trtllm": "attention_dp_config kv_cache_config.dtype moe_config.backend stream_interval print_iter_log env_overrides "
    "cache_transceiver_config speculative_config.use_relaxed_acceptance_for_thinking pytorch_backend_config use_cuda_graph",
    "vllm": "gpu_memory_utilization compilation_config tensor_parallel_size all2all_backend kv_transfer_config headless",
    "sglang": "mem_fraction_static attention_backend disaggregation_mode enable_dp_attention cuda_graph_max_bs host",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_name_leads_somewhere(name: str) -> None:
    """The release and the source are said; each key has one fate; old homes, aliases and free sections end at known keys."""
    known = table(name)
    assert known.product and known.version and known.source
    assert len(known.keys) >= LEAST[name]
    assert not known.modelled & set(known.left_out)
    assert all(why and ";" not in why[:3] for why in known.left_out.values())
    assert not known.keys & (set(known.moved) | set(known.removed))
    for old, home in known.moved.items():
        assert home in known.keys or known.is_section(home) or home in known.free, (old, home)
    for short, key in known.aliases.items():
        assert key in known.names or known.is_section(key), (short, key)
    for key in known.switches | known.lists | known.free:
        assert key in known.names or known.is_section(key.partition(".")[0]), key


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_users_have_is_known(name: str) -> None:
    """Keys of published configs are in the tables, with their sections."""
    known = table(name)
    for key in SEEN[name].split():
        assert key in known.names or known.is_section(key), key


def modelled() -> list[tuple[Table, str]]:
    """Every key that is said to be modelled."""
    return [(known, key) for known in map(table, PRODUCTS) for key in sorted(known.modelled)]


@pytest.mark.parametrize(("known", "key"), modelled(), ids=lambda value: value if isinstance(value, str) else value.name)
def test_a_modelled_key_is_looked_at(known: Table, key: str, tmp_path: Path) -> None:
    """A value that no key can have is refused at the key's place, or the key is told to be of no account: no silence."""
    section, _, last = key.rpartition(".")
    value: object = {last: [["nothing of the kind"]]}
    for part in reversed(section.split(".") if section else []):
        value = {part: value}
    said = of_file(tmp_path, value, known.name)
    assert any(problem.path == key for problem in said.problems) or key in notes(said, "left out")


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_key_that_is_left_out_is_told(name: str, tmp_path: Path) -> None:
    """Each key that is not modelled, given alone, has a line of its own or of its section, and no problem."""
    known = table(name)
    for key, why in known.left_out.items():
        value: object = "x"
        for part in reversed(key.split(".")):
            value = {part: value}
        said = of_file(tmp_path, value, name)
        assert not said.problems, (key, said.problems)
        told = notes(said, "left out")
        assert told.get(key) == why or told.get(key.partition(".")[0]) == why, key
