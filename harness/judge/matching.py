"""Where the communication of ranks stops matching: between two of them, and on each communicator. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass

from lockstep.harness.judge.datatypes import sizes_differ
from lockstep.harness.judge.history import Entry, History, Message


@dataclass(frozen=True, slots=True)
class Mispair:
    """The first collective of a communicator that its members entered with different tokens or sizes."""

    comm: str
    seq: int
    entries: dict[int, Entry]


def first_mismatch(a: History, b: History) -> tuple[int, int] | None:
    """Places in the events of `a` and `b` where their communication stops matching; None if it matches throughout.

    Only communicators that both belong to count, also such as one of them never made, each compared by its own sequence, and
    the messages between the two. Each rank's place is that of its own first collective or message without a match: what it
    did before was the same on both. What comes after missing events cannot be counted, and is not compared.
    """
    shared = {key for key, info in a.comms.items() if b.rank in info.members}
    shared |= {key for key, info in b.comms.items() if a.rank in info.members}
    mine, other = _by_comm(a, shared), _by_comm(b, shared)
    end_a, end_b = _end(a), _end(b)
    places: list[tuple[int, int]] = []
    for comm in shared:
        for number in range(max(len(mine[comm]), len(other[comm]))):
            x = mine[comm][number] if number < len(mine[comm]) else None
            y = other[comm][number] if number < len(other[comm]) else None
            if x is not None and y is not None and _match(x, y):
                continue
            if (x is None and a.gap is not None) or (y is None and b.gap is not None):
                break  # nobody knows
            places.append((x.at if x else end_a, y.at if y else end_b))
            break
    places += _unmatched(a, b, end_a, end_b) + [(x, y) for y, x in _unmatched(b, a, end_b, end_a)]
    return (min(at for at, _ in places), min(at for _, at in places)) if places else None


def _match(x: Entry, y: Entry) -> bool:
    """Whether two ranks mean the same by a collective: operation, phase, shape, and the size where all must have one."""
    return x.token == y.token and (x.size == y.size or min(x.size, y.size) < 0)


def _unmatched(sender: History, receiver: History, sender_end: int, receiver_end: int) -> list[tuple[int, int]]:
    """For each communicator and tag the first message from one rank to the other that has no counterpart.

    Receives from any rank or of any tag are matched in an order that is not known; communicators with such are left out.
    """
    wild = {m.comm for m in receiver.messages if not m.sends and (m.peer < 0 or m.tag < 0)}
    sent, received = _messages(sender, True, receiver.rank, wild), _messages(receiver, False, sender.rank, wild)
    found: list[tuple[int, int]] = []
    for channel in sent.keys() | received.keys():
        mine, other = sent.get(channel, []), received.get(channel, [])
        for number in range(max(len(mine), len(other))):
            x = mine[number] if number < len(mine) else None
            y = other[number] if number < len(other) else None
            if (x is None and sender.gap is not None) or (y is None and receiver.gap is not None):
                break
            if x is None or y is None or not _pair(x, y):
                found.append((x.at if x else sender_end, y.at if y else receiver_end))
                break
    return found


def _messages(history: History, sends: bool, peer: int, wild: Collection[str]) -> dict[tuple[str, int], list[Message]]:
    found: dict[tuple[str, int], list[Message]] = defaultdict(list)
    for message in history.messages:
        if history.gap is not None and message.at >= history.gap:
            break
        if message.sends == sends and message.peer == peer and message.comm not in wild:
            found[message.comm, message.tag].append(message)
    return found


def _pair(sent: Message, received: Message) -> bool:
    """Whether a message is what its receiver takes it for. One that did not block may be received at another place."""
    if sent.what != received.what:
        return False
    return sent.posted or received.posted or (sent.phase, sent.shape) == (received.phase, received.shape)


def _by_comm(history: History, comms: Collection[str]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {comm: [] for comm in comms}
    for entry in history.entries:
        if history.gap is not None and entry.at >= history.gap:
            break
        if entry.comm in found and (not found[entry.comm] or found[entry.comm][-1].seq < entry.seq):
            found[entry.comm].append(entry)
    return found


def _end(history: History) -> int:
    """A place after everything that the rank did."""
    last_entry = history.entries[-1].at if history.entries else 0
    last_message = history.messages[-1].at if history.messages else 0
    last_decision = history.decisions[-1].at if history.decisions else 0
    return max(last_entry, last_message, last_decision, history.ended_at or 0) + 1


def mispaired(
    histories: Mapping[int, History], token: Callable[[Entry], Hashable] = lambda entry: entry.token
) -> list[Mispair]:
    """For each communicator the first collective that its members entered with another operation, phase, shape or size.

    `token`: what must be the same on all of them.
    """
    entered: dict[str, dict[int, dict[int, Entry]]] = defaultdict(lambda: defaultdict(dict))
    for rank, history in histories.items():
        for entry in history.entries:
            # A wait for a posted collective names the same number again; the first entry counts.
            entered[entry.comm][entry.seq].setdefault(rank, entry)
    found: list[Mispair] = []
    for comm, by_seq in sorted(entered.items()):
        for seq in sorted(by_seq):
            entries = by_seq[seq]
            # Eager on one rank and a graph on another is well; two graphs are not.
            graphs = {entry.graph for entry in entries.values() if entry.graph}
            if len({token(entry) for entry in entries.values()}) > 1 or sizes_differ(entries.values()) or len(graphs) > 1:
                found.append(Mispair(comm, seq, entries))
                break
    return found
