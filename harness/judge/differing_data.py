"""Collectives and messages in which ranks hand over other datatypes, or reduce in another way, than their peers. Pure.

No library promises to notice: the program goes on, with numbers that mean something else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lockstep.harness.judge import words
from lockstep.harness.judge.datatypes import datatype, kinds_differ
from lockstep.harness.judge.history import Entry, History, Message
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind

MOST = 10  # findings

Channel = tuple[str, int, int, int]  # communicator, sender, receiver, tag


def differing_data(case: CaseSnapshot) -> list[Finding]:
    """Of each communicator the first collective that members entered with other datatypes; of each two ranks and tag the
    first message that its receiver takes for something else.
    """
    return [*_collectives(case), *_messages(case)][:MOST]


def _collectives(case: CaseSnapshot) -> Iterator[Finding]:
    entered: dict[str, dict[int, dict[int, Entry]]] = defaultdict(lambda: defaultdict(dict))
    for rank, history in sorted(case.histories.items()):
        for entry in history.entries:
            if entry.data:
                entered[entry.comm][entry.seq].setdefault(rank, entry)
    for comm, by_seq in sorted(entered.items()):
        found = next((by_seq[seq] for seq in sorted(by_seq) if _differ(case, by_seq[seq])), None)
        if found is not None:
            yield _collective(case, comm, found)


def _differ(case: CaseSnapshot, entries: Mapping[int, Entry]) -> bool:
    """Other operations under one number are told as such, and have other datatypes anyway."""
    return kinds_differ(entries.values()) and len({case.rules.token(entry) for entry in entries.values()}) == 1


def _collective(case: CaseSnapshot, comm: str, entries: Mapping[int, Entry]) -> Finding:
    groups: dict[str, list[int]] = defaultdict(list)
    for rank, entry in entries.items():
        groups[words.entry_words(entry) + (f" at {entry.site}" if entry.site else "")].append(rank)
    seq = next(iter(entries.values())).seq
    text = f"collective {seq} of {group_name(case, comm)} hands over other data: " + "; ".join(
        f"{what} by {words.ranks_text(ranks)}" for what, ranks in groups.items()
    )
    return Finding(FindingKind.DIFFERING_DATA, text, {"comm": comm, "seq": seq, "as": dict(groups)})


def _messages(case: CaseSnapshot) -> Iterator[Finding]:
    sent = _by_channel(case.histories, sends=True)
    got = _by_channel(case.histories, sends=False)
    for channel in sorted(sent.keys() & got.keys()):
        if not _in_order(case, channel):
            continue
        pairs = ((sent[channel][seq], got[channel][seq]) for seq in sorted(sent[channel].keys() & got[channel].keys()))
        pair = next((pair for pair in pairs if kinds_differ(pair)), None)
        if pair is not None:
            yield _message(case, channel, *pair)


def _message(case: CaseSnapshot, channel: Channel, send: Message, receive: Message) -> Finding:
    comm, sender, receiver, tag = channel
    places = [f" at {one.site}" if one.site else "" for one in (send, receive)]
    text = (
        f"message {send.seq} of tag {tag} on {group_name(case, comm)}: rank {sender} sends {datatype(send)}{places[0]}, "
        f"rank {receiver} receives {datatype(receive)}{places[1]}"
    )
    facts = {"comm": comm, "from": sender, "to": receiver, "tag": tag, "as": [datatype(send), datatype(receive)]}
    return Finding(FindingKind.DIFFERING_DATA, text, facts)


def _by_channel(histories: Mapping[int, History], sends: bool) -> dict[Channel, dict[int, Message]]:
    """Messages by their number; a wait for one that was begun names it again."""
    found: dict[Channel, dict[int, Message]] = defaultdict(dict)
    for rank, history in histories.items():
        for message in history.messages:
            if message.sends == sends and message.data and message.peer >= 0:
                ends = (rank, message.peer) if sends else (message.peer, rank)
                key = (message.comm, ends[0], ends[1], message.tag)
                found[key].setdefault(message.seq, message)
    return found


def _in_order(case: CaseSnapshot, channel: Channel) -> bool:
    """Whether the n-th send is surely what the n-th receive takes: nobody else's receive, probe or thread comes between."""
    comm, sender, receiver, tag = channel
    mine, theirs = case.states[sender], case.states[receiver]
    wild = {message.comm for message in case.histories[receiver].messages if not message.sends and _is_open(message)}
    return (
        comm not in wild
        and not theirs.taken.wild.get((comm, sender, tag))
        and not any(key[0] == comm for key in theirs.taken.cancelled)
        and all(not (state.blind or state.opaque) for state in (mine, theirs))
        and all(state.order.known(comm, verb) for state, verb in ((mine, "send"), (theirs, "recv")))
    )


def _is_open(message: Message) -> bool:
    return message.peer < 0 or message.tag < 0
