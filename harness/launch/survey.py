"""The survey: hosts are asked what they are before anything is launched, each by the launcher by which ranks will come."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lockstep.harness.interpreter import python_module
from lockstep.harness.launch.answer import PATIENCE_S, TRIALS_S, TRY, Answer, find
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap

COMMAND = python_module("lockstep.harness.launch.answer")
AT_ONCE = 16  # launchers
_TICK_S = 0.05
A = TypeVar("A")


@dataclass(frozen=True)
class Told(Generic[A]):
    """A host's answer, or why there is none."""

    host: str
    answer: A | None
    error: str = ""


@dataclass(frozen=True)
class Question(Generic[A]):
    """What hosts are asked: the command that answers there, and how its answer is found in what a launcher prints."""

    command: Sequence[str]
    find: Callable[[bytes], A | None]
    patience_s: float = PATIENCE_S


def survey_hosts(launcher: Launcher, maps: Sequence[RankMap], patience_s: float = PATIENCE_S) -> list[Told[Answer]]:
    """What hosts are: see `ask_hosts`."""
    return ask_hosts(launcher, maps, Question(COMMAND, find, patience_s))


def try_hosts(launcher: Launcher, maps: Sequence[RankMap]) -> list[Told[Answer]]:
    """The same, with what `doctor` tries on each."""
    return ask_hosts(launcher, maps, Question([*COMMAND, TRY], find, TRIALS_S))


def ask_hosts(launcher: Launcher, maps: Sequence[RankMap], question: Question[A]) -> list[Told[A]]:
    """Ask hosts, several at once; `maps`: for each host one with a single rank there.

    It takes little more than the question's patience for each `AT_ONCE` of them. Ctrl-C ends all launchers.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="host") as threads:
        futures = [threads.submit(_ask, launcher, one, question, stop) for one in maps]
        try:
            while not all(future.done() for future in futures):
                time.sleep(_TICK_S)
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            raise


def _ask(launcher: Launcher, rank_map: RankMap, question: Question[A], stop: threading.Event) -> Told[A]:
    host = rank_map.nodes[0].host
    with tempfile.TemporaryDirectory(prefix="lockstep-host-") as folder:
        log = Path(folder) / "launcher.log"
        try:
            job = Job(launcher, rank_map, list(question.command), {}, log)
        except LaunchError as error:
            return Told(host, None, str(error))
        deadline = time.monotonic() + question.patience_s
        try:
            while job.exit_code() is None and question.find(log.read_bytes()) is None:
                if stop.wait(_TICK_S) or time.monotonic() > deadline:
                    break
            answer = question.find(log.read_bytes())
        finally:
            code = job.exit_code()
            job.end(patience_s=5.0 if code is not None or question.find(log.read_bytes()) else 0.0)
        if answer is not None:
            return Told(host, answer)
        ended = f"no answer within {question.patience_s:.0f} s" if code is None else f"{launcher.name} ended with {code}"
        return Told(host, None, f"{ended}: {job.tail()}".strip().rstrip(":"))
