"""Launches of commits or releases: make one ready, launch, judge, and read the verdict back from its file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from lockstep.harness.bisect.build import Built
from lockstep.harness.bisect.checkouts import Checkout, Checkouts
from lockstep.harness.bisect.repository import Range
from lockstep.harness.bisect.silent import Silent
from lockstep.harness.bisect.state import Launched, State
from lockstep.harness.bisect.statistics.choice import Step
from lockstep.harness.bisect.statistics.evidence import Evidence
from lockstep.harness.bisect.statistics.judgement import Judgement, classify, words
from lockstep.harness.bisect.statistics.suspects import Suspects
from lockstep.harness.campaign.run import Run
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.pool import Pool
from lockstep.harness.report.names import slug
from lockstep.harness.report.pages.make import make_run_page
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import NotInCheckout
from lockstep.harness.vocabulary import Outcome


@dataclass(slots=True)
class Launches:
    """Runs steps for real and adds what they show to the evidence."""

    state: State
    commits: Range
    suspects: Suspects
    checkouts: Checkouts
    launcher: Launcher
    pool: Pool
    tell: Callable[[Launched, int, Judgement, Verdict], None]
    tell_skip: Callable[[int, str], None]
    fork_servers: ForkServers | None = None  # from which ranks are forked
    evidence: Evidence = field(default_factory=Evidence)
    wanted: str = ""
    also_good: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of launches
    stop: threading.Event = field(default_factory=threading.Event)
    _built: dict[int, Built] = field(default_factory=dict)  # by the number of a checkout
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _building: dict[str, threading.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take up what is on disk: every launch that was judged, every commit that has nothing to launch."""
        self.wanted = self.state.asked.signature or self.state.wanted
        numbers = {commit.sha: number for number, commit in enumerate(self.commits.commits)}
        numbers[self.commits.older] = self.suspects.older
        for launched, verdict in self.state.verdicts():
            if verdict.outcome is not Outcome.INVALID:  # what could not be judged then may be judged now
                self._count(numbers[launched.sha], verdict)
        for sha, why in self.state.skips.items():
            self.evidence.skip(numbers[sha], why)

    def run(self, steps: Sequence[Step]) -> None:
        """Run steps, as many at once as fit."""
        request = self.pool.request(self.state.case)
        self.pool.run(steps, [request] * len(steps), self._step, self.stop)

    def build_cost(self) -> Mapping[int, float]:
        """What a build costs in launches, of each commit that is not built."""
        if not self.checkouts.prepares or not self.state.build_seconds or not self.seconds:
            return {}
        cost = mean(self.state.build_seconds) / max(mean(self.seconds), 1e-3)
        count = self.suspects.count + 1
        return {number: cost for number in range(count) if not self.checkouts.has(self.commits.sha(number))}

    def _step(self, step: Step, rank_map: RankMap) -> None:
        commit = step.commit
        sha = self.commits.sha(commit)
        with self.checkouts.use(sha) as checkout:
            why = self._prepare(sha, checkout)
            if not why:
                try:
                    case = self.checkouts.case(self.state.case, checkout)
                except NotInCheckout as error:
                    why = str(error).replace(str(checkout.path), self.commits.short(sha))
            if why:
                self.state.skip(sha, why)
                with self._lock:
                    self.evidence.skip(commit, why)
                self.tell_skip(commit, why)
                return
            for _ in range(step.launches):
                if self._launch(commit, sha, case, rank_map) is not Judgement.GOOD:
                    return

    def _prepare(self, sha: str, checkout: Checkout) -> str:
        """Build or install what is to be launched, once; why that failed, or empty."""
        if not self.checkouts.prepares:
            return ""
        with self._lock:
            lock = self._building.setdefault(sha, threading.Lock())
        with lock:
            if checkout.number not in self._built:
                started = time.monotonic()
                log = self.state.path / "builds" / f"{slug(self.commits.short(sha))}.log"
                built = self.checkouts.prepare(sha, checkout, log, self.stop.is_set)
                self._built[checkout.number] = built
                if built.ok:
                    self.state.built(sha, time.monotonic() - started)
            return self._built[checkout.number].text

    def _launch(self, commit: int, sha: str, case: Case, rank_map: RankMap) -> Judgement:
        launched = self.state.begin(sha)
        folder = self.state.path / launched.folder
        store = RunStore.create(folder.parent, folder.name, (), {"commit": sha}, [PlannedCase(case, engine_commit=sha)])
        rerun = self.checkouts.rerun(case, sha, self.wanted)
        run = Run(store, self.launcher, Silent(), stop=self.stop, rerun=lambda _: rerun, fork_servers=self.fork_servers)
        run.one(case, rank_map=rank_map)
        make_run_page(store)
        verdict = self.state.verdict(launched)
        if verdict is None:
            raise RuntimeError(f"{self.state.path / self.state.verdict_path(launched)} was written and cannot be read")
        with self._lock:
            found = self._count(commit, verdict)
        self.state.judged(launched, words(verdict), found.value)
        self.tell(launched, commit, found, verdict)
        return found

    def _count(self, commit: int, verdict: Verdict) -> Judgement:
        """Judge a verdict and count it. The bad end says what is wanted, the good end what is good beside a success."""
        ended = verdict.outcome not in (Outcome.SUCCESS, Outcome.INVALID)
        if commit == self.suspects.bad and not self.wanted and ended:
            self.wanted = verdict.signature
            self.state.want(self.wanted)
        quiet = ended and verdict.outcome is not Outcome.HANG and verdict.signature != self.wanted
        if commit == self.suspects.good and quiet:
            self.also_good.append(verdict.signature)
        if not self.wanted:  # only the bad end is launched before it has shown anything
            found = Judgement.GOOD if verdict.outcome is Outcome.SUCCESS else Judgement.INVALID
        else:
            found = classify(verdict, self.wanted, self.also_good)
        text = verdict.text if found is Judgement.INVALID else words(verdict)
        self.evidence.add(commit, found, text.strip().split("\n")[0])
        seconds = getattr(verdict, "seconds", None)
        if seconds is not None and found is not Judgement.INVALID:
            self.seconds.append(seconds)
        return found
