"""Schemas of other projects' files, from packages: none is fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def complaints(schema: str, path: Path) -> str:
    """What check-jsonschema says against a file; empty when the schema takes it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout if done.returncode else ""
