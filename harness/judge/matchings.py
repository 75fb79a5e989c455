"""Whether a receive, a probe or a synchronous send may find its other side, by MPI's order of messages. Pure.

Of one receiver and communicator: the receives that it has begun, in order, and the messages that each sender has begun, in
order. A receive takes the first message of a sender that it matches, and a message goes to the first receive that matches
it; which sender's message comes first is not known. All that may come of it is tried. Who moves may send anything more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.order import ANY, Receive
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait

MOST = 2000  # steps that are tried, before it is given up


class Message(NamedTuple):
    """A message that its sender has begun: `number` counts those of its sender and tag."""

    sender: int
    tag: int
    number: int


def may_receive_all(
    rank: int, waits: Sequence[Wait], states: Mapping[int, RankState], members: Sequence[int], moves: Collection[int]
) -> bool:
    """Whether all of these receives and probes of one communicator may end: the receives together, each probe by itself."""
    mine, comm = states[rank], waits[0].comm
    if not _ordered(mine, comm):
        return True
    begun = mine.order.receives.get(comm, [])
    asked = {(wait.peer, wait.tag, wait.seq) for wait in waits if wait.need is Need.RECV}
    wanted = [receive for receive in begun if (receive.peer, receive.tag, receive.seq) in asked]
    if len(wanted) != len(asked):
        return True  # one of them has ended
    wanted = [receive for receive in wanted if not receive.doubtful]  # taken back, it ends without a message
    near = _near(begun, [(receive.peer, receive.tag) for receive in wanted])
    if wanted and not _Search(rank, comm, near, states, members, moves).finds_all(wanted):
        return False
    probes = {(wait.peer, wait.tag) for wait in waits if wait.need is Need.PROBE}
    return all(_may_see(rank, comm, probe, states, members, moves) for probe in probes)


def _may_see(
    rank: int,
    comm: str,
    probe: tuple[int, int],
    states: Mapping[int, RankState],
    members: Sequence[int],
    moves: Collection[int],
) -> bool:
    """Whether a message may come that is left to the probe by all receives."""
    peer, tag = probe
    if any(sender in moves for sender in (members if peer == ANY else (peer,))):
        return True  # it may send more than all receives take
    near = _near(states[rank].order.receives.get(comm, []), [probe])
    search = _Search(rank, comm, near, states, members, moves, Receive(peer, tag, 0))
    return search.finds(search.lies)


def may_be_received(
    rank: int, wait: Wait, states: Mapping[int, RankState], members: Sequence[int], moves: Collection[int]
) -> bool:
    """Whether this synchronous send may end: whether what its receiver has begun may take its message."""
    receiver = states.get(wait.peer)
    if receiver is None or wait.peer in moves or not _ordered(receiver, wait.comm):
        return True
    if wait.seq <= receiver.order.gone.get((wait.comm, rank, wait.tag), 0):
        return True
    near = _near(receiver.order.receives.get(wait.comm, []), [(rank, wait.tag)])
    return _Search(wait.peer, wait.comm, near, states, members, moves).finds_taken(Message(rank, wait.tag, wait.seq))


def _ordered(state: RankState, comm: str) -> bool:
    return not state.blind and state.order.known(comm, "recv")


def _near(receives: Sequence[Receive], asked: Sequence[tuple[int, int]]) -> list[Receive]:
    """The receives that could take a message from one of those, or from one that could from them, and so on; in order."""
    left, near, edge = list(receives), set[int](), list(asked)
    while edge:
        peer, tag = edge.pop()
        close = [receive for receive in left if receive.meets(peer, tag)]
        left = [receive for receive in left if not receive.meets(peer, tag)]
        near.update(map(id, close))
        edge += [(receive.peer, receive.tag) for receive in close]
    return [receive for receive in receives if id(receive) in near]


class _Search:
    """Tries every way in which the messages to one receiver may find its receives, as far as it matters to those."""

    def __init__(
        self,
        receiver: int,
        comm: str,
        receives: Sequence[Receive],
        states: Mapping[int, RankState],
        members: Sequence[int],
        moves: Collection[int],
        probe: Receive | None = None,
    ) -> None:
        self.receives, self.probe = receives, probe
        self.asked = [*receives, *([probe] if probe else [])]
        self.moves = [member for member in members if member in moves]
        self.given_up = False
        self.messages: list[Message] = []
        # Where all name their tag, messages of different tags never stand in each other's way.
        any_tag = any(receive.tag == ANY for receive in self.asked)
        for sender in dict.fromkeys(members):
            state = states.get(sender)
            if state is not None and any(one.peer in (ANY, sender) for one in self.asked):
                self.messages += self._of(sender, state, receiver, comm, any_tag, states[receiver])

    def _of(
        self, sender: int, state: RankState, receiver: int, comm: str, any_tag: bool, mine: RankState
    ) -> Iterator[Message]:
        """What a sender has begun to send and nobody is known to have taken: as many as all receives could take."""
        sends = state.order.sends.get((comm, receiver))
        ordered = state.order.known(comm, "send")
        if state.blind or state.order.lost:
            self.given_up = True
            return
        if sends is None:
            return
        passed = dict(sends.before)
        if any_tag and not (
            ordered and all(count <= mine.order.gone.get((comm, sender, tag), 0) for tag, count in passed.items())
        ):
            self.given_up = True
            return
        runs = [*([tag, count] for tag, count in passed.items()), *sends.runs]
        passed.clear()
        for tag, count in runs:
            first = passed.get(tag, 0)
            passed[tag] = first + count
            if not any(one.matches(sender, tag) for one in self.asked):
                continue
            taken = mine.order.gone.get((comm, sender, tag), 0)
            last = min(first + count, taken + len(self.receives) + 1)
            yield from (Message(sender, tag, number) for number in range(max(first, taken) + 1, last + 1))

    # --- what is asked --------------------------------------------------------------------------------------------

    def finds_all(self, wanted: Sequence[Receive]) -> bool:
        """Whether all of these may take a message."""
        chosen = set(map(id, wanted))
        return self.finds(lambda taken, matched: True, [receive for receive in self.receives if id(receive) in chosen])

    def finds_taken(self, message: Message) -> bool:
        """Whether this message may be taken."""
        bit = 1 << self.messages.index(message) if message in self.messages else 0
        return self.given_up or (bit > 0 and self.finds(lambda taken, matched: bool(taken & bit)))

    def lies(self, taken: int, matched: int) -> bool:
        """Whether a message that the probe asks for is left to it by all receives."""
        probe, everyone = self.probe, len(self.receives)
        return probe is not None and any(
            probe.matches(message.sender, message.tag) and not self._before(everyone, matched, message.sender, message.tag)
            for number, message in enumerate(self.messages)
            if not taken >> number & 1
        )

    def finds(self, goal: Callable[[int, int], bool], wanted: Sequence[Receive] = ()) -> bool:
        """Whether a way leads to a goal (of messages taken, and receives that have one).

        On it, all that are known to have ended have got theirs, and those that are wanted have got one.
        """
        if self.given_up:
            return True
        chosen = set(map(id, wanted))
        must = sum(1 << n for n, one in enumerate(self.receives) if one.took is not None or id(one) in chosen)
        seen, work = {(0, 0)}, [(0, 0)]
        while work:
            taken, matched = work.pop()
            if not must & ~matched and goal(taken, matched):
                return True
            for following in self._steps(taken, matched):
                if following not in seen:
                    seen.add(following)
                    work.append(following)
            if len(seen) > MOST:
                return True
        return False

    def _steps(self, taken: int, matched: int) -> Iterator[tuple[int, int]]:
        """A receive takes a message that it may take next."""
        for place, receive in enumerate(self.receives):
            if matched >> place & 1:
                continue
            after = matched | 1 << place
            first: dict[int, int] = {}  # sender -> the first of its messages that would be taken
            for number, message in enumerate(self.messages):
                if not taken >> number & 1 and receive.matches(message.sender, message.tag):
                    first.setdefault(message.sender, number)
            for number in first.values():
                sender, tag, _ = self.messages[number]
                if receive.took in (None, (sender, tag)) and not self._before(place, matched, sender, tag):
                    yield taken | 1 << number, after
            for sender in self.moves:  # it may send more, of any tag
                tag = receive.tag if receive.took is None else receive.took[1]
                asked = sender not in first and receive.peer in (ANY, sender)
                if (
                    asked
                    and (receive.took is None or receive.took[0] == sender)
                    and not self._before(place, matched, sender, tag)
                ):
                    yield taken, after

    def _before(self, place: int, matched: int, sender: int, tag: int) -> bool:
        """Whether an earlier receive would take such a message, of any tag that this one leaves open."""
        return any(
            one.peer in (ANY, sender) and one.tag in (ANY, tag) and not one.doubtful and not matched >> number & 1
            for number, one in enumerate(self.receives[:place])
        )
