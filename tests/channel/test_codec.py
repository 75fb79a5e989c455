"""What travels between supervisors and the watchdog: all comes out as it went in, and nothing else comes out at all."""

from __future__ import annotations

import random
import tracemalloc
import types
import typing
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.channel import codec, messages, to_supervisor, to_watchdog
from lockstep.harness.channel.codec import (
    FRAME_BYTES,
    MESSAGE_BYTES,
    FormatError,
    decode_from_supervisor,
    decode_from_watchdog,
    encode,
)
from lockstep.harness.channel.identity import LIBRARIES
from lockstep.harness.channel.message_base import Message, ToSupervisor, ToWatchdog
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD

counts = st.integers(0, 2**63 - 1)
names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=30)
file_names = names.filter(lambda name: name not in ("", ".", ".."))
texts = st.text(st.characters(codec="utf-8"), max_size=30)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "bytes": st.binary(max_size=200),
    "int": st.integers(-(2**63) + 1, 2**63 - 1),
    "Count": counts,
    "Count | None": st.none() | counts,
    "Code": st.none() | st.integers(-64, 255),
    "Rank": counts,
    "Proc": st.integers(-1, 100),
    "Name": names,
    "Text": texts,
    "Names": st.lists(names, max_size=4).map(tuple),
    "Texts": st.lists(texts, max_size=4).map(tuple),
    "Numbers": st.lists(counts, max_size=4).map(tuple),
    "Versions": st.fixed_dictionaries(dict.fromkeys(("python", *LIBRARIES), names)),
    "Words": st.dictionaries(st.integers(0, layout.COMMS - 1), st.integers(0, 2**64 - 1), max_size=4),
    "Leaks": st.lists(st.tuples(texts, st.dictionaries(names, counts, max_size=3)), max_size=3).map(tuple),
}
OTHERWISE: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("Hello", "host"): file_names,
    ("Dump", "name"): st.sampled_from(("flight-recorder-rank-3.pickle", "nccl-ras.json")),
    ("StateFile", "path"): st.lists(file_names, min_size=1, max_size=3).map("/".join),
    ("Output", "stream"): st.sampled_from(("output", "stdout", "stderr")),
    ("Delta", "records"): st.integers(0, 3).map(lambda n: bytes(n * RECORD.size)),
    ("Delta", "lost"): st.just(0),
    ("Delta", "entered"): st.just(()),
}


def kinds(direction: type[Message]) -> list[type[Message]]:
    """All classes of one direction."""
    known = [*vars(to_watchdog).values(), *vars(to_supervisor).values()]
    return [kind for kind in known if isinstance(kind, type) and direction in kind.__bases__]


def decoder(kind: type[Message]) -> Callable[[bytes], Message]:
    """Of the end to which this kind goes."""
    return decode_from_supervisor if issubclass(kind, ToWatchdog) else decode_from_watchdog


def drawn(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of a kind."""
    fields = {n: OTHERWISE.get((kind.__name__, n), FIELDS[kind.__annotations__[n]]) for n in kind.__slots__}
    return st.builds(kind, **fields)


ALL = [*kinds(ToWatchdog), *kinds(ToSupervisor)]
any_message = st.one_of([drawn(kind) for kind in ALL])


def the_union(alias: Any) -> set[type[Message]]:
    """The members of a type alias."""
    return set(typing.get_args(alias)) if isinstance(alias, types.UnionType) else {alias}


def test_the_unions_hold_every_message() -> None:
    """A message that is in no union would be decoded and come to nobody that the type checker knows of."""
    assert the_union(messages.FromSupervisor) == set(kinds(ToWatchdog))
    assert the_union(messages.FromWatchdog) == set(kinds(ToSupervisor))


@given(any_message)
def test_what_goes_in_comes_out(message: Message) -> None:
    """Every message of every kind, at the end to which it goes; at the other end it is none."""
    raw = b"".join(encode(message))
    assert decoder(type(message))(raw) == message
    other = decode_from_watchdog if isinstance(message, ToWatchdog) else decode_from_supervisor
    with pytest.raises(FormatError):
        other(raw)


WRONG: dict[str, Any] = {
    "bool": 1, "bytes": "text", "int": True, "Count": -1, "Count | None": "none", "Code": 1.5, "Rank": -1, "Proc": -2,
    "Name": "x" * 5000, "Text": b"x", "Names": ("a", 1), "Texts": "a", "Numbers": (1, -1), "Versions": {"python": 3},
    "Words": {1: "x"}, "Leaks": (("text", {1: 2}),),
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=5)
def test_each_field_is_checked(kind: type[Message], data: st.DataObject) -> None:
    """One of another type, or out of its range, one too many and one too few: each is a FormatError."""
    values = data.draw(drawn(kind)).values()
    lists = [(kind.__name__, *values, None), *([(kind.__name__, *values[:-1])] if values else [])]
    for at, name in enumerate(kind.__slots__):
        lists.append((kind.__name__, *values[:at], WRONG[kind.__annotations__[name]], *values[at + 1 :]))
    for wrong in lists:
        with pytest.raises(FormatError):
            decoder(kind)(msgpack.packb(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        to_watchdog.Delta(bytes(63), (), 0, (), 0, {}, 0),
        to_watchdog.Delta(b"", (), 1, (1,), 0, {}, 0),
        to_watchdog.Delta(b"", (), 0, (), 0, {layout.COMMS: 1}, 0),
        to_watchdog.Output(b"", "../../verdict.json"),
        to_watchdog.Dump("verdict.json", b""),
        to_watchdog.Dump("nccl-/../../x", b""),
        to_watchdog.StateFile("../x", b""),
        to_watchdog.StateFile("/x", b""),
    ],
    ids=repr,
)
def test_fields_fit_together(wrong: Message) -> None:
    """What would fail behind the edge, or be written to another place than ours, is refused at it."""
    with pytest.raises(FormatError):
        decode_from_supervisor(b"".join(encode(wrong)))


@given(any_message, st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_mutated_messages_are_messages_or_one_error(message: Message, rng: random.Random) -> None:
    """Whatever bytes change, are lost or come besides: a message of a known kind, or FormatError."""
    raw = bytearray(b"".join(encode(message)))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        raw[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    try:
        found: Message = decoder(type(message))(bytes(raw))
    except FormatError:
        return
    assert type(found) in ALL


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xc1", msgpack.packb([]), msgpack.packb(5), msgpack.packb("Bye"), msgpack.packb({"Bye": 1}), msgpack.packb([[]]),
     msgpack.packb(["Message"]), msgpack.packb([None]), b"\x91" * 2000 + b"\xc0", msgpack.packb(["Bye"]) + b"x"],
)  # fmt: skip
def test_garbage_is_one_error(raw: bytes) -> None:
    """Nothing, a number, a map, a name of no message, a thousand lists in one another."""
    for decode in (decode_from_supervisor, decode_from_watchdog):
        with pytest.raises(FormatError):
            decode(raw)


def test_little_grows_to_little() -> None:
    """Thirty million empty maps, in one list or in a thousand, are refused before they have become objects."""
    many = (30 << 20).to_bytes(4, "big")
    tracemalloc.start()
    try:
        for start in (b"\xdd" + many, (b"\xdd" + many) * 8, b"\xdf" + many):
            with pytest.raises(FormatError):
                decode_from_supervisor(b"\x93\xa6Output" + start + b"\x80" * (30 << 20))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20  # what was sent, and what is made of it
    finally:
        tracemalloc.stop()


def test_long_messages_go_in_frames() -> None:
    """Each is short enough for the limit that holds before a key is known; a message over the limit is refused at once."""
    message = to_watchdog.Dump("nccl-ras.json", bytes(range(256)) * (5 << 12))
    frames = encode(message)
    assert len(frames) > 1
    assert max(map(len, frames)) <= FRAME_BYTES
    assert decode_from_supervisor(b"".join(frames)) == message
    strings = tuple(map(str, range(200_000)))
    delta = to_watchdog.Delta(bytes(64 * 65_536), strings, 0, (), 3, {}, 0)
    assert decode_from_supervisor(b"".join(encode(delta))) == delta
    with pytest.raises(FormatError):
        encode(to_watchdog.Dump("nccl-ras.json", bytes(MESSAGE_BYTES)))
    with pytest.raises(FormatError):
        decode_from_supervisor(bytes(MESSAGE_BYTES + 1))


PACKED: list[Any] = [[None] * size for size in (0, 1, 15, 16, 65_535, 65_536)]
PACKED += [dict.fromkeys(range(size)) for size in (0, 1, 15, 16, 65_535, 65_536)]


@pytest.mark.parametrize("value", PACKED, ids=lambda value: f"{type(value).__name__}-{len(value)}")
def test_containers_are_known_by_their_heads(value: list[None] | dict[int, None]) -> None:
    """In each of their forms, with what follows; nothing else is taken for one."""
    raw = msgpack.packb(value)
    unpacker = msgpack.Unpacker(max_buffer_size=0)
    unpacker.feed(raw)
    assert codec._size_of_container(raw[0], unpacker) == len(value) * (2 if isinstance(value, dict) else 1)


def test_what_is_no_container() -> None:
    """Of the 256 heads all but those of lists and maps."""
    lists = {*range(0x90, 0xA0), 0xDC, 0xDD}
    maps = {*range(0x80, 0x90), 0xDE, 0xDF}
    for head in {*range(256)} - lists - maps:
        assert codec._size_of_container(head, msgpack.Unpacker()) is None


def test_a_long_message_has_so_many_parts() -> None:
    """As deep, as many lists and as many items as is said are read, and one more of each is not."""
    deep: Any = []
    for _ in range(codec.DEEPEST - 1):
        deep = [deep]
    lists: list[Any] = [[]] * (codec.MOST_CONTAINERS - 1)
    items = [0] * codec.MOST_ITEMS
    for value, more in ((deep, [deep]), (lists, [*lists, []]), (items, [*items, 0])):
        codec._walk(msgpack.packb(value))
        with pytest.raises(FormatError, match="too many parts"):
            codec._walk(msgpack.packb(more))


@pytest.mark.parametrize("leak", [("text", {"pids": (1, 2)}), ("text", {})])
def test_a_leak_that_is_one(leak: tuple[str, dict[str, Any]]) -> None:
    """A sentence and its facts are taken."""
    assert codec._CHECKS["Leaks"]((leak,))
    for wrong in ((leak[0],), [leak[0], leak[1]], (leak[1], leak[0]), (*leak, 1), leak[0]):
        assert not codec._CHECKS["Leaks"]((wrong,))


def test_words_and_versions() -> None:
    """Maps of their kind, and nothing that is none of them."""
    assert codec._CHECKS["Versions"]({"torch": "2"})
    assert codec._CHECKS["Words"]({1: 2})
    others: list[Any] = [{1: "2"}, {"torch": 2}, ("torch",), "torch"]
    for wrong in others:
        assert not codec._CHECKS["Versions"](wrong)
    others = [{1: "2"}, {"1": 2}, (1,), {1: True}]
    for wrong in others:
        assert not codec._CHECKS["Words"](wrong)
