"""The JSON Schema of scenario files: the frame, with an engine's own sections in it."""

from __future__ import annotations

from typing import Any

from pydantic import create_model

from lockstep.harness.scenario.engine import find_engine, refused
from lockstep.harness.scenario.frame import DEFAULT_ENGINE, Frame


def json_schema(engine: str = DEFAULT_ENGINE) -> dict[str, Any]:
    """The schema for scenarios of one engine (JSON Schema 2020-12). Raises UnknownEngine and EngineError."""
    found = find_engine(engine)
    whole = create_model("Scenario", __base__=(found.sections, Frame), __doc__=Frame.__doc__)
    schema = whole.model_json_schema()
    for name in refused(found):
        del schema["properties"][name]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Lockstep scenario"}
