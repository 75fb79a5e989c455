"""What a program that succeeded left undone on MPI: requests, messages, communicators. Only findings, no verdict. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from lockstep.harness.judge import words
from lockstep.harness.judge.history import Left
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.vocabulary import FindingKind

MOST = 10  # findings of each kind
LIBRARY = "mpi"


def leftovers(case: CaseSnapshot) -> list[Finding]:
    """Nothing of an engine, and nothing where a rank did not end in order: what it left then came of that."""
    states = case.states.values()
    if case.rules.decisions_logged or case.limit is not None or case.knot:
        return []
    if not all(state.status is Status.RETURNED for state in states):
        return []
    return [*_requests(case), *_messages(case), *_communicators(case)]


def _requests(case: CaseSnapshot) -> Iterable[Finding]:
    found: dict[str, set[int]] = defaultdict(set)
    for rank, history in sorted(case.histories.items()):
        sites = {(m.comm, "send" if m.sends else "recv", m.peer, m.tag, m.seq): m.site for m in history.messages if m.posted}
        begun = {(entry.comm, entry.seq): entry.site for entry in history.entries if entry.posted}
        for left in history.left if not case.states[rank].opaque else ():
            if not left.op:
                continue
            site = sites.get((left.comm, left.op, left.peer, left.tag, left.seq), begun.get((left.comm, left.seq), ""))
            found[_request(case, left, site)].add(rank)
    return _told(FindingKind.UNWAITED_REQUEST, found, "was never waited for")


def _request(case: CaseSnapshot, left: Left, site: str) -> str:
    what = f"the i{left.op}"
    if left.op in ("send", "recv"):
        other = "any rank" if left.peer < 0 else f"rank {left.peer}"
        what += f" {'to' if left.op == 'send' else 'from'} {other}" + (f" of tag {left.tag}" if left.tag >= 0 else "")
    return f"{what} on {group_name(case, left.comm)}" + (f", begun at {site}," if site else "")


def _communicators(case: CaseSnapshot) -> Iterable[Finding]:
    found: dict[str, set[int]] = defaultdict(set)
    for rank, history in sorted(case.histories.items()):
        for left in history.left if not case.states[rank].opaque else ():
            if not left.op:
                found[group_name(case, left.comm) + (f", made at {left.site}," if left.site else "")].add(rank)
    return _told(FindingKind.UNFREED_COMMUNICATOR, found, "was never freed")


def _told(kind: FindingKind, found: dict[str, set[int]], what: str) -> Iterator[Finding]:
    """One finding for all ranks alike."""
    for text, ranks in list(found.items())[:MOST]:
        yield Finding(kind, f"{text} {what} by {words.ranks_text(sorted(ranks))}", {"what": text, "ranks": sorted(ranks)})


def _messages(case: CaseSnapshot) -> Iterator[Finding]:
    told = 0
    for sender, state in sorted(case.states.items()):
        for comm, receiver, tag in sorted(state.sent):
            count = _lying(case, sender, comm, receiver, tag)
            if count <= 0:
                continue
            told += 1
            if told > MOST:
                return
            sites = [
                message.site
                for message in case.histories[sender].messages
                if message.sends and (message.comm, message.peer, message.tag) == (comm, receiver, tag) and message.site
            ]
            sent = f", sent at {sites[-1]}," if sites else ""
            what, was = ("a message", "was") if count == 1 else (f"{count} messages", "were")
            way = f"from rank {sender} to rank {receiver} on {group_name(case, comm)}"
            text = f"{what} of tag {tag} {way}{sent} {was} never received"
            facts = {"from": sender, "to": receiver, "tag": tag, "comm": comm, "messages": count}
            yield Finding(FindingKind.UNRECEIVED_MESSAGE, text, facts)


def _lying(case: CaseSnapshot, sender: int, comm: str, receiver: int, tag: int) -> int:
    """Messages of a kind that are known to be left; none where a receive that is still open may have taken them."""
    mine, theirs = case.states[sender], case.states.get(receiver)
    if theirs is None or case.comms.get(comm, ("", ""))[0] != LIBRARY or not _counted(mine) or not _counted(theirs):
        return 0
    if not theirs.order.known(comm, "recv"):
        return 0
    if any(one.took is None and one.matches(sender, tag) for one in theirs.order.receives.get(comm, ())):
        return 0
    return mine.sent[comm, receiver, tag] - theirs.taken.all.get((comm, sender, tag), 0)


def _counted(state: RankState) -> bool:
    return not state.blind and not state.opaque
