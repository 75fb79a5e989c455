"""One job out of what its hosts have seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lockstep.harness.inspection.answer import Answer
from lockstep.harness.judge.inspection import Look


def whole(answers: Sequence[Answer]) -> Look:
    """All hosts together. Raises ValueError where none has seen anything, and where it is more than one job."""
    looks = [answer.look for answer in answers if answer.look is not None]
    blind = [f"{answer.host}: {answer.error}" for answer in answers if answer.look is None]
    if not looks:
        raise ValueError("; ".join(blind) if len(blind) > 1 else answers[0].error)
    worlds = sorted({look.world for look in looks if look.world})
    if len(worlds) > 1:
        sizes = " and ".join(map(str, worlds))
        raise ValueError(f"the hosts see ranks of worlds of {sizes}: more than one job; give a word of its command line")
    seen = tuple(one for look in looks for one in look.seen)
    ranks = Counter(one.rank for one in seen if one.rank is not None)
    twice = next((rank for rank, count in ranks.items() if count > 1), None)
    if twice is not None:
        where = ", ".join(f"{one.host} process {one.pid}" for one in seen if one.rank == twice)
        raise ValueError(f"rank {twice} is {where}: more than one job; give a word of its command line")
    return Look(
        seen,
        worlds[0] if worlds else 0,
        tuple((look.host, pid) for look in looks for pid in look.ended),
        next((look.ras for look in looks if look.ras), None),
        max(look.seconds for look in looks),
        tuple(look.host for look in looks),
        tuple(blind),
    )
