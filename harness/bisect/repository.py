"""An engine's repository, through git: revisions, and the commits between two of them. It never changes a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.bisect.errors import BisectionError

# What a caller's git (a hook, `git bisect run`) sets would point ours to another repository.
FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
# A checkout of ours runs no hook of the user's, and talks to nobody.
PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "gc.auto=0")


@dataclass(frozen=True, slots=True)
class Commit:
    """One suspect: its id, the numbers of its parents among the suspects, and its subject."""

    sha: str
    parents: tuple[int, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Range:
    """The suspects, parents before children, and the older end, which is none."""

    older: str
    commits: tuple[Commit, ...]
    noun: str = "commit"  # or release, or image: what the suspects are

    def short(self, ident: str) -> str:
        """An id as people read it."""
        return ident[:12] if self.noun == "commit" else ident

    def sha(self, number: int) -> str:
        """The id of a commit by number; the number after the last suspect is the older end."""
        return self.older if number == len(self.commits) else self.commits[number].sha


def counted(noun: str, suspects: int) -> str:
    """So many of them, as people count: of releases the older end is one that was given."""
    number = suspects if noun == "commit" else suspects + 1
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Repository:
    """A git repository on disk, bare or not. Whatever is checked out or changed there does not matter."""

    def __init__(self, path: Path) -> None:
        """Raises BisectionError when there is none."""
        self.path = path
        if not path.is_dir():
            raise BisectionError(f"{path}: no such folder; give --repo the engine's git repository")
        try:
            done = self._git("rev-parse", "--git-dir")
        except FileNotFoundError:
            raise BisectionError("git is not installed, or not on PATH") from None
        if done.returncode != 0:
            raise BisectionError(f"{path}: not a git repository: {_last(done.stderr)}")

    def git(self, *words: str) -> str:
        """What a git command prints. Raises BisectionError with git's own words when it fails."""
        done = self._git(*words)
        if done.returncode != 0:
            raise BisectionError(f"{self.path}: git {words[0]} failed: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def resolve(self, revision: str) -> str:
        """The id of the commit that a revision means. Raises BisectionError."""
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode != 0:
            raise BisectionError(f"{revision!r} names no commit of {self.path}{self._shallow_hint()}")
        return done.stdout.strip()

    def between(self, older: str, newer: str) -> Range:
        """The ancestors of `newer`, itself included, that `older` does not contain. Raises BisectionError when `older` is
        not an ancestor of `newer`, or when a shallow clone has cut the history between them."""
        if older == newer:
            raise BisectionError(f"both ends are the same commit, {older[:12]}: there is nothing between them")
        if self._git("merge-base", "--is-ancestor", older, newer).returncode != 0:
            text = f"{older[:12]} is not an ancestor of {newer[:12]}"
            if self._git("merge-base", "--is-ancestor", newer, older).returncode == 0:
                text += ", but the other way round; to find the commit that took a hang away, give --find fixed"
            elif base := self._git("merge-base", older, newer).stdout.strip():
                text += f"; their merge base is {base[:12]}: check that one, and bisect from there"
            raise BisectionError(text + self._shallow_hint())
        listed = self.git(
            "log", "--topo-order", "--reverse", "--no-show-signature", "--format=%H%x00%P%x00%s", f"{older}..{newer}"
        )
        lines = [line.split("\0") for line in listed.split("\n") if line]
        numbers = {sha: number for number, (sha, _, _) in enumerate(lines)}
        cut = self._cut() & numbers.keys()
        if cut:
            names = ", ".join(sha[:12] for sha in sorted(cut)[:3])
            text = f"the history between the ends is cut at {names}: {self.path} is a shallow clone"
            raise BisectionError(f"{text}; run `git fetch --unshallow` there")
        return Range(older, tuple(_commit(numbers, *line) for line in lines))

    def described(self, sha: str) -> list[str]:
        """Author, date, subject and files of a commit, as git prints them; of a merge, against its first parent."""
        form = "--format=commit %H%nAuthor: %an <%ae>%nDate:   %ad%n%n    %s"
        text = self.git(
            "log", "-1", "--no-show-signature", "--date=default", "-m", "--first-parent", "--stat=100", form, sha
        )
        return text.rstrip().splitlines()

    def _cut(self) -> set[str]:
        """The commits whose parents a shallow clone has left out."""
        if self.git("rev-parse", "--is-shallow-repository").strip() != "true":
            return set()
        shallow = Path(self.path, self.git("rev-parse", "--git-path", "shallow").strip())
        return set(shallow.read_text().split())

    def _shallow_hint(self) -> str:
        if self._git("rev-parse", "--is-shallow-repository").stdout.strip() != "true":
            return ""
        return f"; {self.path} is a shallow clone: run `git fetch --unshallow` there"

    def _git(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        env |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
        return subprocess.run(
            ["git", *PLAIN, *words],
            cwd=self.path,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the head, which ends what it does in order
            check=False,
        )


def _commit(numbers: dict[str, int], sha: str, parents: str, subject: str) -> Commit:
    return Commit(sha, tuple(numbers[parent] for parent in parents.split() if parent in numbers), subject)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[-1]


def short(commits: Sequence[str]) -> str:
    """Ids as people read them."""
    return ", ".join(sha[:12] for sha in commits)
