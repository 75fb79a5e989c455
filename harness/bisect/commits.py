"""The commits of a bisection as what is launched: checked out, built, run where they lie."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from lockstep.harness.bisect.build import Built, run_build
from lockstep.harness.bisect.checkouts import Checkout
from lockstep.harness.bisect.repository import Repository
from lockstep.harness.bisect.state import BisectionRequest
from lockstep.harness.bisect.worktrees import Worktrees
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.shell import command_line


@dataclass(frozen=True, slots=True)
class CommitCheckouts:
    """Worktrees of one repository, built with the user's command if there is one."""

    repository: Repository
    worktrees: Worktrees
    asked: BisectionRequest

    @property
    def prepares(self) -> bool:
        """Whether there is a build command."""
        return bool(self.asked.build)

    def has(self, ident: str) -> bool:
        """Whether this commit is checked out."""
        return self.worktrees.has(ident)

    def use(self, ident: str) -> AbstractContextManager[Checkout]:
        """The checkout of a commit."""
        return self.worktrees.use(ident)

    def prepare(self, ident: str, checkout: Checkout, log: Path, stopped: Callable[[], bool]) -> Built:
        """Run the build command in it."""
        return run_build(self.asked.build, checkout.path, ident, log, stopped)

    def case(self, case: Case, checkout: Checkout) -> Case:
        """The engine says how its ranks run the code in a folder."""
        folder = str((checkout.path / self.asked.tree).resolve())
        return replace(case, spec=find_engine(case.engine).at(case.spec, folder))

    def rerun(self, case: Case, ident: str, wanted: str) -> str:
        """Check it out elsewhere, and judge it there."""
        asked = self.asked
        judge = ["lockstep", "judge-commit", asked.case["path"], "--case", asked.case["id"]]
        judge += ["--device", asked.case["spec"]["device"]]
        judge += [word for value in asked.values for word in ("--set", value)]
        judge += ["--launcher", asked.launcher] if asked.launcher != "auto" else []
        judge += ["--hosts", asked.hosts] if asked.hosts else []
        judge += ["--interface", asked.interface] if asked.interface else []
        judge += ["--tree", asked.tree] if asked.tree != "." else []
        judge += ["--build", asked.build] if asked.build else []
        judge += ["--signature", wanted] if wanted else []
        add = f"{command_line(['git', '-C', asked.repository, 'worktree', 'add', '--detach'])} $tree {ident}"
        return f"tree=$(mktemp -d) && {add} && cd $tree && {command_line(judge)}"

    def details(self, ident: str) -> tuple[str, ...]:
        """As git prints the commit that it has found."""
        see = command_line(["git", "-C", self.asked.repository, "show", ident])
        return (*self.repository.described(ident), "", see)
