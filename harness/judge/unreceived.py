"""Messages that lie there: begun by one rank, and never asked for by the other. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lockstep.harness.judge.history import History, Message


def unreceived(histories: Mapping[int, History], receiver: int) -> list[tuple[int, Message]]:
    """Senders and messages to `receiver` for which it has begun no receive, the first of each kind first.

    Who receives from anybody, or any tag, may have taken any of them: such communicators are left out.
    """
    mine = histories.get(receiver)
    if mine is None or mine.gap is not None:
        return []
    wild = {message.comm for message in mine.messages if not message.sends and (message.peer < 0 or message.tag < 0)}
    begun: Counter[tuple[str, int, int]] = Counter()
    for message in mine.messages:
        if not message.sends:
            key = (message.comm, message.peer, message.tag)
            begun[key] = max(begun[key], message.seq)
    found: list[tuple[int, Message]] = []
    for sender, history in sorted(histories.items()):
        seen: set[tuple[str, int, int]] = set()
        for message in history.messages if history.gap is None else ():
            key = (message.comm, message.tag, message.seq)
            mine_too = message.sends and message.peer == receiver and message.comm not in wild
            if mine_too and key not in seen and message.seq > begun[message.comm, sender, message.tag]:
                seen.add(key)
                found.append((sender, message))
    return found
