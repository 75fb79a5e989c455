"""Names of runs and of the folders of their cases."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
from datetime import datetime, timezone
from pathlib import Path

SLUG_CHARACTERS = 100
PRIVATE = 0o700  # command lines, output and stacks are the user's; who wants to share them opens the folder
ATTEMPT = "attempt-"  # folder of an attempt at a case that judged nothing, with its number


def now() -> str:
    """The time as files hold it: ISO, UTC, sorts as text."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def new_run_id() -> str:
    """A run id: sorts by time; two of one second differ in their last part."""
    return datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)


def new_folder(root: Path) -> Path:
    """Make a folder for a new run, which no other run has."""
    root.mkdir(parents=True, exist_ok=True)
    while True:
        path = root / new_run_id()
        try:
            path.mkdir(mode=PRIVATE)
        except FileExistsError:
            continue  # another run took this id in the same second
        return path


def slug(case_id: str, repetition: int = 1) -> str:
    """A folder name for a repetition of a case: readable, safe on every file system, and another one for every id."""
    if repetition > 1:
        return f"{slug(case_id)}~{repetition}"  # no slug has a tilde
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", case_id)[:SLUG_CHARACTERS].strip("-.")
    if plain and plain == case_id:
        return plain
    digest = hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain}-{digest}".lstrip("-")


def attempt_number(name: str) -> int | None:
    """Of the folder of an attempt; None of one that is called in another way."""
    found = re.fullmatch(f"{ATTEMPT}([0-9]{{1,9}})", name)
    return int(found[1]) if found else None


def point(link: Path, name: str) -> None:
    """Turn a symlink to another name, atomically. What others have put in its place stays, with a word on stderr: it is a
    convenience, and its folder may be one in which everybody writes."""
    fresh = link.with_name(f".{link.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        if link.exists() and not link.is_symlink():
            raise FileExistsError(errno.EEXIST, "it is no link, and stays as it is")
        try:
            fresh.symlink_to(name)
            fresh.replace(link)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        what = f"{link} cannot be made a link to {name}: {error.strerror or error}"
        print(f"lockstep: {what}; name {link.parent / name} instead", file=sys.stderr)
