"""The JSON Schema of scenario files: the frame, with an engine's own sections in it."""

from __future__ import annotations

from typing import Any

from lockstep.harness.scenario.engine import SECTIONS, find_engine, sections
from lockstep.harness.scenario.frame import Frame


def json_schema(engine: str = "minimal") -> dict[str, Any]:
    """The schema for scenarios of one engine (JSON Schema 2020-12). Raises UnknownEngine."""
    found = find_engine(engine)
    frame = Frame.model_json_schema()
    for section, model in (("config", found.Config), ("guards", found.Guards)):
        inner = model.model_json_schema()
        frame["$defs"] |= inner.pop("$defs", {})
        frame["$defs"][f"{engine}.{section}"] = inner
        frame["properties"][section] = {"$ref": f"#/$defs/{engine}.{section}"}
    taken = sections(found)
    for name in SECTIONS - taken:
        del frame["properties"][name]
    if "kv_capacity" in taken:
        frame["properties"]["kv_capacity"] = {"$ref": "#/$defs/KvCapacity"}
        frame["required"].append("kv_capacity")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **frame, "title": "Lockstep scenario"}
