"""Files of Flight Recorder dumps: which there are, whose each is, and what it holds as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lockstep.harness import regular_file
from lockstep.harness.judge.flight_dump import MOST_RANKS
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle

LONGEST_BYTES = 64 << 20  # of a dump; PyTorch's own are a few MiB
NAMED = "a dump is called nccl_trace_rank_3, or flight-recorder-rank-3.json, with its rank's number"
_SUFFIXES = (".json", ".pickle", ".pkl", ".bin", ".dump", ".txt")


def read_all(paths: Sequence[Path]) -> dict[int, dict[str, Any]]:
    """The dump of each rank. Raises ValueError with the file that cannot be one."""
    found: dict[int, tuple[Path, dict[str, Any]]] = {}
    for file in _files(paths):
        try:
            dump = read(file)
        except ValueError as error:
            raise ValueError(_told(file, paths, str(error))) from error
        rank = rank_of(file, dump)
        if rank is None:
            raise ValueError(f"{file}: whose dump is it? name it so that it ends with the rank, as PyTorch does")
        if rank in found:
            raise ValueError(f"{file}: {found[rank][0]} is a dump of rank {rank} too; give one of them")
        found[rank] = (file, dump)
    if not found:
        raise ValueError(f"no dumps in {', '.join(map(str, paths))}; {NAMED}")
    return {rank: dump for rank, (_, dump) in found.items()}


def read(file: Path) -> dict[str, Any]:
    """One dump, JSON or pickle. Raises ValueError where it cannot be read, or is none."""
    try:
        raw = regular_file.read(file, LONGEST_BYTES, links=True)
    except regular_file.NotRegularError as error:
        raise ValueError(f"{error}; it is no dump of a Flight Recorder") from error
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from error
    # A pickle is read as plain data only: what would call anything is refused.
    dump = read_json(raw) or read_pickle(raw)
    if "entries" not in dump:
        raise ValueError(f"{file}: neither JSON nor a plain pickle of a Flight Recorder")
    return dump


def rank_of(file: Path, dump: Mapping[str, Any]) -> int | None:
    """The rank that a dump says it is of, or that is in its file's name.

    Names as they are met: `nccl_trace_rank_3`, `flight-recorder-rank-3.json`, `rank1_container-node00.pickle`,
    `nccl_trace_rank_node00_1`. What follows the word `rank` counts before what ends the name. Raises ValueError for what
    no rank can be.
    """
    if "rank" in dump:
        rank = dump["rank"]
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < MOST_RANKS:
            raise ValueError(f"{file}: rank: not a whole number from 0 to {MOST_RANKS - 1}")
        return int(rank)
    name = file.name
    while (suffix := Path(name).suffix.lower()) in _SUFFIXES:
        name = name[: -len(suffix)]
    number = re.search(r"(?<![A-Za-z])rank[-_=.]?(\d{1,7})(?!\d)", name.replace("local_rank", ""), re.IGNORECASE)
    number = number or re.search(r"(?<!\d)(\d{1,7})$", name)
    if number is not None and int(number[1]) >= MOST_RANKS:
        raise ValueError(f"{file}: rank {number[1]}: a world of {MOST_RANKS} ranks is the largest that is read")
    return int(number[1]) if number else None


def _told(file: Path, paths: Sequence[Path], why: str) -> str:
    """Of a folder in which nothing is a dump the folder, else the file that is none."""
    folder = file.parent
    if folder not in paths or file in paths or any(map(_is_dump, _files([folder]))):
        return why
    return f"no dumps in {folder}; {NAMED} (the first of its files: {why})"


def _is_dump(file: Path) -> bool:
    try:
        read(file)
    except ValueError:
        return False
    return True


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that are meant: of a folder those that lie in it, without hidden ones and folders."""
    for path in paths:
        if path.is_dir():
            try:
                inside = sorted(path.iterdir())
            except OSError as error:
                raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
            yield from (file for file in inside if not file.name.startswith(".") and not file.is_dir())
        else:
            yield path
