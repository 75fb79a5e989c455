"""The commit of a folder with code, as git tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

DIRTY = "-dirty"  # behind a commit: tracked files are not as in it
PATIENCE_S = 60.0


def commit_of(folder: Path) -> str:
    """The commit that is checked out there; empty outside a checkout, and for a folder within one that is not part of it."""
    sha = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    return sha if sha and _git(folder, "ls-tree", "--name-only", sha, "./") else ""


def state_of(folder: Path) -> str:
    """The commit, marked where tracked files below the folder differ from it; empty as above."""
    sha = commit_of(folder)
    changed = sha and _git(folder, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "./")
    return sha + DIRTY if changed else sha


def _git(folder: Path, *words: str) -> str:
    """What git prints; empty where it fails, or is not there."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
