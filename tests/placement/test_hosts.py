"""Host files and lists of hosts: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.placement.hosts import FORM, INLINE, VERSION_6, Host, load_hosts, parse_file, parse_list
from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9](\.[a-z]{2})?|10\.0\.0\.[1-9]", fullmatch=True)
ENTRIES = st.lists(st.tuples(NAMES, st.integers(1, 300)), min_size=1, max_size=6)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    """A host file in one of the many ways to write it, and what it means: slots by name, in the order of first mention."""
    lines: list[str] = []
    meant: dict[str, int] = {}
    for name, slots in draw(ENTRIES):
        forms = [f"{name}:{slots}", f"{name} slots={slots}", f"\t{name}   slots={slots}"] + [name] * (slots == 1)
        lines.append(draw(st.sampled_from(forms)) + draw(st.sampled_from(["", " ", "# slots=9", "  # a:b c"])))
        lines += draw(st.lists(st.sampled_from(["", "   ", "# nobody:4"]), max_size=1))
        meant[name] = meant.get(name, 0) + slots
    return "\n".join(lines), meant


@given(files())
def test_a_file_means_what_it_says(written: tuple[str, dict[str, int]]) -> None:
    """Every way to write a host is read; a name that comes again adds its slots; the order is that of the file."""
    text, meant = written
    assert parse_file(text, "hosts") == tuple(Host(name, slots) for name, slots in meant.items())


@given(ENTRIES)
def test_a_list_means_what_it_says(entries: list[tuple[str, int]]) -> None:
    """A list on the command line means what a file with its items as lines does."""
    items = [f"{name}:{slots}" for name, slots in entries]
    assert parse_list(",".join(items)) == parse_file("\n".join(items), "hosts")


@given(st.text(alphabet="ab1:=, #\tslot@-.\n²", max_size=30))
def test_whatever_is_written_is_read_or_refused_with_its_place(text: str) -> None:
    """There is no other error, and each names a place that the text has."""
    for problem in (*refused(parse_list, text), *refused(lambda text: parse_file(text, "hosts"), text)):
        lines = text.splitlines() or [""]
        rest = text if problem.file == INLINE else lines[problem.line - 1]
        assert 1 <= problem.column <= len(rest) + 1
        assert problem.what and problem.advice


def refused(parse: Callable[[str], tuple[Host, ...]], text: str) -> list[Problem]:
    """What is said of a text; none when it means hosts."""
    try:
        assert all(host.slots > 0 and host.name for host in parse(text))
    except FileErrors as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("node1:0", "hosts:2:7: '0' is no number of slots; give 1 or more"),
        ("node1:x", "hosts:2:7: 'x' is no number of slots; give 1 or more"),
        ("node1 slots=-1", "hosts:2:13: '-1' is no number of slots; give 1 or more"),
        ("node1:2 slots=2", "hosts:2:9: slots are given twice; leave one out"),
        ("node1 max_slots=2", "hosts:2:7: unknown word 'max_slots=2'; give name, name:4 or name slots=4"),
        ("me@node1", "hosts:2:1: me@node1: a user is not given here; name the user for this host in ~/.ssh/config"),
        (
            "fe80::1",
            f"hosts:2:1: fe80::1: neither a name nor an IPv4 address; {FORM}; {VERSION_6}",
        ),
        ("-node", "hosts:2:1: '-node' is no name of a host; give name, name:4 or name slots=4"),
    ],
)
def test_mistakes_have_their_place_and_what_to_do(line: str, said: str) -> None:
    """File, line and column, what is wrong, what to do; all of them at once."""
    with pytest.raises(FileErrors) as caught:
        parse_file(f"node0\n{line}\nnode2:0", "hosts")
    assert [str(problem) for problem in caught.value.problems] == [
        said,
        "hosts:3:7: '0' is no number of slots; give 1 or more",
    ]


def test_a_file_without_a_host_is_refused() -> None:
    """Comments alone are no hosts."""
    with pytest.raises(FileErrors, match="hosts:1:1: names no host"):
        parse_file("# nothing\n\n", "hosts")


def test_what_is_given_is_a_file_or_a_list(tmp_path: Path) -> None:
    """A file that is there is read; a list is taken as it is; a name alone is neither: a mistyped file looks like it."""
    path = tmp_path / "hosts"
    path.write_text("10.99.99.98:2")
    assert load_hosts(str(path)) == load_hosts("10.99.99.98:2") == (Host("10.99.99.98", 2),)
    with pytest.raises(ScenarioError, match="hostz: no such file"):
        load_hosts("hostz")
    with pytest.raises(FileErrors, match="--hosts:1:7: 'x' is no number"):
        load_hosts("a:1,b:x")


def test_two_names_of_one_host_are_refused() -> None:
    """A launcher would start two nodes there, or none."""
    with pytest.raises(ScenarioError, match=r"localhost and 127\.0\.0\.1 are one host"):
        load_hosts("localhost:1,127.0.0.1:1")


def test_this_host_is_known_by_its_names() -> None:
    """Whatever it is called: what runs here alone needs no ssh."""
    names = ["localhost", os.uname().nodename, "127.0.0.1"]
    assert [load_hosts(f"{name}:2")[0].here for name in names] == [True, True, True]
