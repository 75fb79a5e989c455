"""Dumps of other tools as plain data. They come from a process that has gone wrong, so nothing of them is trusted."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any


class _PlainData(pickle.Unpickler):
    """Numbers, strings and containers only: a pickle could otherwise call anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def read_pickle(raw: bytes) -> dict[str, Any]:
    """A pickled dict of plain data; empty when it is anything else."""
    try:
        found = _PlainData(io.BytesIO(raw)).load()
    except Exception:  # a torn pickle can raise nearly anything
        return {}
    return found if isinstance(found, dict) else {}


def read_json(raw: bytes) -> dict[str, Any]:
    """A JSON object; empty when it is anything else."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
