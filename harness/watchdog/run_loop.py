"""The loop that watches a case until its verdict: listen to supervisors, judge what they tell.

A verdict falls as soon as it is certain: everybody has ended, or a knot in the wait-for graph is proved. Only what no proof
reaches is judged by limits of time. Before it is given every supervisor must have shown that it is there: see
`liveness_round`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from logging import Logger

from lockstep.harness.channel.pacing import BUSY, Share
from lockstep.harness.channel.to_supervisor import Call, Confirm
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.job import Job
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.case_state import CaseState
from lockstep.harness.watchdog.inquiries import Inquiries
from lockstep.harness.watchdog.judgement import VerdictBasis
from lockstep.harness.watchdog.listener import Listener
from lockstep.harness.watchdog.presence.liveness_round import Step
from lockstep.harness.watchdog.proof import SETTLE_S

POLL_MS = 10
REST_MS = 50  # while nothing is in question: what comes wakes the watchdog at once, and each look costs the ranks their core
INTERRUPTED_S = 20.0  # for each thing that is gathered when somebody wants the end; they may kill what takes longer
BEHIND_S = 1.0  # a watchdog that is further behind with reading does not judge


class RunLoop:
    """Of one launch. `state`: what is known of the case, which the loop keeps up to date."""

    def __init__(self, state: CaseState, end: Head, job: Job, listener: Listener, log: Logger) -> None:
        self._state = state
        self._end = end
        self._job = job
        self._listener = listener
        self._stops = listener.stop_signals
        self._log = log
        self._share = Share()  # of the time, for judging
        self._asked_s = 0.0  # when ranks were last asked whether they stand
        self._inquiries = Inquiries(state, end, listener, log, self._ask)
        self._held: Verdict | None = None  # until everybody has shown that it was there when this was judged
        self._held_s = 0.0

    def run(self) -> Verdict:
        """Listen until there is a verdict. Raises KeyboardInterrupt when the listener wants it to stop."""
        state = self._state
        while True:
            changes = state.intake.changes
            # What no message tells may be about to be known: a look that is due, a knot, a verdict that was held back.
            in_question = state.intake.dirty or state.proof.pending() or self._held is not None
            self.listen(POLL_MS if in_question else REST_MS)
            busy = state.intake.changes - changes > BUSY * state.ranks.processes.supervisors
            if self._listener.stopped():
                raise KeyboardInterrupt
            self._listener.tick(state.ranks)
            self._inquiries.look(time.monotonic())
            if self._stops.count:
                return self._interrupted(time.monotonic())
            verdict = self._round(time.monotonic(), busy)
            if verdict is not None:
                return verdict

    def listen(self, timeout_ms: int) -> None:
        """Take what comes within `timeout_ms`."""
        state = self._state
        for number, message in self._end.receive(timeout_ms):
            state.membership.take(self._end, number, message)
            state.intake.take(self._end, number, message)
        for number in self._end.unread():
            state.ranks.processes.distrust(number)  # it may have been of what its ranks do: nothing can be proved of them
        state.membership.look(self._end)
        state.ranks.settle_s = state.membership.settle_s

    def listen_until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Take what comes until something is so, for `timeout_s` at most."""
        deadline = time.monotonic() + timeout_s
        while not done() and time.monotonic() < deadline:
            self.listen(POLL_MS)

    def gather_until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """The same after a verdict, for what is beside it: who asks for the end meanwhile gets it sooner, with less."""
        known = self._stops.count
        most_s = min(timeout_s, INTERRUPTED_S) if known else timeout_s
        self.listen_until(lambda: done() or self._stops.count > known or self._stops.hurry, most_s)

    def _interrupted(self, now: float) -> Verdict:
        """Nothing is certain, and somebody wants the end: what is known at this moment, without asking anybody."""
        self._log.info("asked to end by %s", self._stops.name)
        return self._state.judgement.verdict(VerdictBasis(limit=Limit.INTERRUPTED, stopped_by=self._stops.name), now)

    def _round(self, now: float, busy: bool) -> Verdict | None:
        """Judge what is known at this moment."""
        state = self._state
        if self._end.refusal:
            return self._invalid(Cause.LAUNCH, self._end.refusal, now)
        state.abort_gate.let(self._end)
        # Who is behind with reading knows of nobody that it is silent, or late, or has left without a word.
        behind = not self._end.listening.drained
        verdict = self._cannot_keep_up(now) if behind else self._lost(now)
        if verdict is None:
            basis = self._certain(now, busy) or state.judgement.limit(now, behind)
            verdict = self._committed(basis, now)
        if state.proof.withdrawn:
            text = "a proved knot moved: ranks communicate in ways that write no events, so nothing can be proved here"
            return self._invalid(Cause.HARNESS, text, now)
        return verdict

    # --- what is certain ------------------------------------------------------------------------------------------

    def _certain(self, now: float, busy: bool) -> VerdictBasis | None:
        """The basis of a verdict that needs no limit: all have ended, an engine cannot go on, or a knot is proved."""
        state, proof = self._state, self._state.proof
        if ranks := state.judgement.to_ask(now):
            self._ask(ranks)
        state.intake.dirty |= state.judgement.unsure(now - self._asked_s)
        if state.ranks.over():
            return VerdictBasis()
        knot = proof.confirm(now)
        if knot and (proof.quiet() or now - (proof.first_proved_s or now) >= SETTLE_S):
            return VerdictBasis(knot)
        if proof.unasked and proof.standing():
            self._ask(proof.ask_rest())
        self._look(now, busy)
        return state.judgement.abandoned(now)

    def _look(self, now: float, busy: bool) -> None:
        """Look for a knot, where there may be another, and ask its ranks whether they stand."""
        state, proof = self._state, self._state.proof
        may_look = not proof.candidate and not proof.withdrawn
        # While there is more to read, what is known of different ranks is of different times: most would be refuted.
        fresh = self._end.listening.behind_s < BEHIND_S
        if state.intake.dirty and may_look and fresh and self._share.due(now, busy):
            state.intake.dirty = False
            ranks = proof.look()
            self._share.took(now, time.monotonic())
            self._ask(ranks)

    def _ask(self, ranks: Sequence[int]) -> None:
        self._asked_s = time.monotonic()
        for procs, supervisors in self._state.ranks.questions(ranks).items():
            self._end.send_to(supervisors, Confirm(self._state.proof.epoch, procs, self._state.ranks.looks_around))

    # --- whether everybody was there ------------------------------------------------------------------------------

    def _committed(self, basis: VerdictBasis | None, now: float) -> Verdict | None:
        """The verdict on this basis, as soon as everybody has shown that it was there when it was judged."""
        state, liveness = self._state, self._state.liveness_round
        if basis is None:
            liveness.dismiss()
            self._held = None
            return None
        epoch = state.proof.epoch if basis.knot and basis.limit is None else 0
        present = state.registry.present(liveness.number)
        step = liveness.step((basis.limit, epoch), state.intake.changes, present)
        if step is Step.BEGIN:
            self._log.info("there is a basis, everybody is called: %s", basis.limit or f"{len(basis.knot)} waits")
            self._end.send_all(Call(liveness.number))
            verdict = state.judgement.verdict(basis, now)
            if verdict.outcome is Outcome.INVALID:
                return verdict
            self._held, self._held_s = verdict, now
        return self._stamped(self._held, now) if step is Step.COMMIT and self._held is not None else None

    def _stamped(self, held: Verdict, now: float) -> Verdict:
        """The verdict that was held back, with the time that it took."""
        more_s = now - self._held_s
        times = (held.last_block_to_verdict_s, held.start_to_verdict_s)
        block_s, start_s = (None if time_s is None else time_s + more_s for time_s in times)
        return replace(held, last_block_to_verdict_s=block_s, start_to_verdict_s=start_s)

    # --- what cannot be judged ------------------------------------------------------------------------------------

    def _cannot_keep_up(self, now: float) -> Verdict | None:
        """Nothing is judged by time while there is more to read; when that does not end, nothing can be."""
        judgement, behind_s = self._state.judgement, self._end.listening.behind_s
        if not judgement.late(now) or behind_s < judgement.limits.silence_s:
            return None
        text = (
            f"the watchdog cannot keep up with {self._state.ranks.processes.supervisors} ranks: at the deadline it had not "
            f"read all that had come for {behind_s:.0f} s; give it a core of its own (docs/scale.md)"
        )
        return self._invalid(Cause.HARNESS, text, now)

    def _lost(self, now: float) -> Verdict | None:
        """The verdict when the job, or part of it, has ended or fallen silent before it could be judged."""
        state = self._state
        if state.abort_gate.known:
            silence_s = state.judgement.limits.silence_s
            if self._job.exit_code() is None and not (state.registry.gone(silence_s) or state.registry.silent(silence_s)):
                return None
            for _, record in state.ranks:
                if record.alive:
                    state.ranks.end(record, -9, now)  # with its supervisor
            return state.judgement.verdict(VerdictBasis(), now)
        loss = state.failure_detector.look(self._job, state.judgement.started_s, now)
        return self._invalid(*loss, now) if loss else None

    def _invalid(self, cause: Cause, text: str, now: float) -> Verdict:
        return Verdict(Outcome.INVALID, cause, text.strip(), start_to_verdict_s=now - self._state.judgement.started_s)
