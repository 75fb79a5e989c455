"""A communicator as its members announce it, in words that are the same on each of them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from lockstep.harness.trace.runs import unpack

WORLDS_END = "world's end"  # the name of the one in which the ranks of an MPI world meet for the last time (MPI_Finalize)
RankOf = Callable[[str, int], int]  # scope, rank in it -> global rank


@dataclass(frozen=True, slots=True)
class CommInfo:
    """A communicator: `key` is the same on every member, `members` are global ranks in communicator order."""

    key: str
    kind: str
    name: str
    members: tuple[int, ...]
    device: str = ""  # the device stream that its collectives run on

    @staticmethod
    def parse(text: str, rank_of: RankOf | None = None) -> CommInfo:
        """From the JSON of a COMM event. `rank_of`: the global rank of a rank in a scope, where a case has several.

        Raises ValueError when it is none: the string table of the rank was full, say.
        """
        return _known(text) if rank_of is None else CommInfo._read(text, rank_of)

    @staticmethod
    def _read(text: str, rank_of: RankOf | None) -> CommInfo:
        try:
            raw = json.loads(text)
            members, scope = unpack(raw["members"]), raw.get("scope", "")
            kind, name, instance, device = raw["kind"], raw["name"], raw["instance"], raw.get("device", "")
            if not all(isinstance(word, str) for word in (scope, kind, name, device)):
                raise TypeError("no words")
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no communicator: {text[:80]}") from error
        digest = hashlib.sha256((scope + ",".join(map(str, members))).encode(errors="replace")).hexdigest()[:8]
        key = f"{kind}:{name}#{instance}@{digest}"
        if rank_of is not None:
            members = tuple(rank_of(scope, member) for member in members)
        return CommInfo(key, kind, name, members, device)


@functools.lru_cache(maxsize=1 << 14)
def _known(text: str) -> CommInfo:
    """All members announce a communicator in the same words: it is read once, and they share its list of members."""
    return CommInfo._read(text, None)
