"""What hosts tell of themselves, and what follows from it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockstep.harness.channel.identity import clocks, identity
from lockstep.harness.channel.to_watchdog import ClockRead, Hello
from lockstep.harness.judge.clock import OURS
from lockstep.harness.judge.verdict import NodeReport
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.presence.clock_sync import FIRST, HostClocks
from lockstep.harness.watchdog.presence.node_report import nodes, stranger, uneven
from lockstep.harness.watchdog.presence.registry import Registry

NODE = NodeReport("a", "10.0.0.1", (0, 1), "3.11.7", "2.9.0", "4.1.1", 0.0, 0.0001)


def hello(host: str, **other: Any) -> Hello:
    """What a supervisor of a host says."""
    mine = {**identity(), **clocks(), "host": host, "machine": host, "clock": host, **other}
    return Hello(rank=0, pid=1, supervisor=2, address="10.0.0.1", **mine)


def test_equal_hosts_are_no_finding() -> None:
    """Nor are wall clocks that differ by less than a second."""
    assert uneven([NODE, replace(NODE, host="b", wall_clock_ahead_s=-0.9)]) == []


def test_what_differs_is_told() -> None:
    """Which hosts have which version, and whose clock is off by how much."""
    other = replace(NODE, host="b", torch="2.8.0", mpi4py="", wall_clock_ahead_s=-3600.0)
    (finding,) = uneven([NODE, other])
    assert finding.kind is FindingKind.UNEVEN_HOSTS
    assert "different torch: 2.9.0 on a, 2.8.0 on b" in finding.text
    assert "different mpi4py: 4.1.1 on a, none on b" in finding.text
    assert "the wall clock of b is 3600 s behind" in finding.text
    assert finding.facts["torch"] == {"2.9.0": ["a"], "2.8.0": ["b"]}


def test_a_host_with_other_code_is_a_stranger() -> None:
    """It is named with its ranks; hosts with the same code are none."""
    registry = Registry(3)
    for number, host in enumerate(("a", "a", "b")):
        registry.join(number, hello(host), 0.0)
    assert stranger(registry, identity()) is None
    registry.join(2, hello("b", code="other", root="/elsewhere"), 0.0)
    text = stranger(registry, identity())
    assert text is not None
    assert text.startswith("b (rank 2) runs another version of lockstep: /elsewhere (other) is not")


def test_this_process_knows_itself() -> None:
    """The fingerprint of the code is one and the same each time, and the versions are those that are installed."""
    import mpi4py
    import torch

    mine = identity()
    assert mine == identity()
    assert mine["versions"]["mpi4py"] == mpi4py.__version__
    assert mine["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]


def test_clocks_of_three_hosts() -> None:
    """The watchdog's own is exact; on another host one supervisor is asked some times at once, and then again and again."""
    known, registry = HostClocks("here"), Registry(4)
    for number, host in enumerate(("here", "b", "b", "c")):
        said = hello(host)
        registry.join(number, said, 0.0)
        known.join(number, said)
    assert known.of(0) is OURS
    assert known.of(1) is known.of(2)
    assert known.of(1) is not known.of(3)
    ahead_ns = 5_000_000_000
    again = [known.exchanged(1, ClockRead(n, n + ahead_ns + 50), n + 100) for n in range(1000, 9000, 1000)]
    assert again == [True] * (FIRST - 1) + [False]
    assert not known.exchanged(2, ClockRead(1000, 1050 + ahead_ns), 1100)
    assert known.due(1.0) == [1, 3]
    assert known.due(1.5) == []
    assert known.due(2.1) == [1, 3]
    assert known.of(1).ahead(1050 + ahead_ns) == (ahead_ns - 50, ahead_ns + 50)
    found = nodes(registry, known)
    assert [node.ranks for node in found] == [(0,), (1, 2), (3,)]
    assert (found[0].clock_within_s, found[2].clock_within_s) == (0.0, None)


def test_who_only_says_that_it_has_our_clock_is_found_out() -> None:
    """Its answers contradict it: from then on it is measured like any other."""
    known = HostClocks("here")
    for number in range(2):
        known.join(number, hello("here", clock="here"))
    assert not known.exchanged(0, ClockRead(1000, 1050), 1100)
    assert known.exchanged(1, ClockRead(1000, 7000), 1100)
    assert known.of(0) is OURS
    assert known.of(1).ahead(7000) == (5900, 6000)
