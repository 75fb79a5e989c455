"""What is asked of a case while it goes on: by `lockstep peek`, or by the time for which nothing has moved.

Both get the same: who waits where and for whom, with stacks that are taken without stopping anybody. It ends and
proves nothing, and one that fails costs no verdict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from logging import Logger

from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.situation import NOBODY, situation, situation_text
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.trace.state import Status
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.watchdog.case_state import CaseState
from lockstep.harness.watchdog.judgement import VerdictBasis
from lockstep.harness.watchdog.listener import Listener
from lockstep.harness.watchdog.loops import loops_text
from lockstep.harness.watchdog.stillness import Stillness, notice_s

EACH_S = 0.5  # between two looks
STACKS_S = 20.0  # for all stacks; then it is told without the rest
SCHEMA = "lockstep.peek/1"


class Inquiries:
    """Of one launch. `ask`: asks ranks whether they stand, which also tells what C++ has issued in them."""

    def __init__(
        self, state: CaseState, end: Head, listener: Listener, log: Logger, ask: Callable[[Sequence[int]], None]
    ) -> None:
        self._state, self._end, self._listener, self._log, self._ask = state, end, listener, log, ask
        self._stillness = Stillness(notice_s(os.environ), state.judgement.started_s)
        self._due_s = 0.0
        self._issued: dict[int, tuple[int, int]] = {}  # by rank: its last event, and how many operations it had issued
        self._asked = False  # ... since something moved
        self._names: list[str] = []  # of the requests that are being answered
        self._until_s = 0.0  # stacks are awaited so long; 0: none are

    def look(self, now_s: float) -> None:
        """Now and then: whether something is to be told, or is ready to be."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + EACH_S
        guarded = Guarded()
        guarded("an answer about a case that goes on", lambda: self._look(now_s), None)
        for finding in guarded.findings:
            self._log.warning("%s", finding.text)
            self._until_s = 0.0

    def _look(self, now_s: float) -> None:
        self._note(now_s)
        if self._until_s:
            if not self._state.stack_round.awaited or now_s > self._until_s:
                self._until_s = 0.0
                self._tell(now_s)
        elif (names := self._state.peek_folder.requests()) or self._is_due(now_s):
            self._names = names
            self._state.stack_round.begin(self._end)
            self._until_s = now_s + STACKS_S
            self._ask_ranks()

    def _is_due(self, now_s: float) -> bool:
        """Whether it is to be said that nothing moves: sooner of ranks whose waits for each other prove nothing, and where
        all that is left turns in loops.
        """
        if self._stillness.due(now_s):
            return True
        return self._stillness.due_sooner(now_s) and bool(self._doubts() or loops_text(self._state.ranks))

    def _doubts(self) -> str:
        """Why ranks that wait for each other are no proof: the first reason that was found."""
        proof = self._state.proof
        doubts = {
            rank: found for rank, found in (*proof.open_waits.items(), *proof.doubts.items()) if found and rank < PROCESS
        }
        return next((f"rank {rank}: {found[0]}" for rank, found in sorted(doubts.items())), "")

    # --- whether something moves ----------------------------------------------------------------------------------

    def _note(self, now_s: float) -> None:
        processes = self._state.ranks.processes
        commands = tuple((number, one.alive, one.exit_code) for number, one in sorted(processes.commands.items()))
        events = sum(record.state.number for record in processes.records.values())
        still = self._stillness.still_s(now_s)
        self._stillness.look((events, len(processes.records), commands, self._state.intake.printed_bytes), now_s)
        for rank, record in self._state.ranks:
            at, before = self._issued.get(rank, (-1, 0))
            if record.hidden_at == at >= 0 and record.issued != before:
                self._stillness.moved(now_s)  # C++ went on, which no event tells
            self._issued[rank] = (record.hidden_at, record.issued)
        if self._stillness.still_s(now_s) < still:
            self._asked = False
        if self._stillness.near(now_s) and not self._asked:
            self._asked = True
            self._ask_ranks()

    def _ask_ranks(self) -> None:
        """Of programs: what C++ has issued without an event. A proof that is under way is not to be disturbed."""
        if self._state.ranks.open and not self._state.proof.pending():
            ranks = [rank for rank, one in self._state.ranks if one.alive and one.state.status is Status.RUNNING]
            self._ask(ranks)

    # --- what is told ---------------------------------------------------------------------------------------------

    def _tell(self, now_s: float) -> None:
        case = self._seen(now_s)
        still_s = self._stillness.still_s(now_s)
        if self._is_due(now_s):
            self._stillness.said(now_s)
            doubts = self._doubts()
            why = f" (ranks wait for each other, but {doubts})" if doubts else ""
            loops = loops_text(self._state.ranks)
            turns = f"; {loops}" if loops else ""
            self._listener.notice(f"nothing has moved for {still_s:.0f} s{why}: {situation_text(case) or NOBODY}{turns}")
        names, self._names = self._names, []
        for name in names:
            told = {
                "schema": SCHEMA,
                "case": self._state.case_id,
                "since_start_s": round(now_s - self._state.judgement.started_s, 1),
                "still_s": round(still_s, 1),
                **situation(case),
            }
            self._state.peek_folder.answer(name, told, self._state.stack_round.files())

    def _seen(self, now_s: float) -> CaseSnapshot:
        case = self._state.judgement.snapshot(VerdictBasis(self._state.proof.knot), now_s)
        return replace(case, collected=self._state.stack_round.added_to(self._state.evidence.collected()))
