"""The engine `source` as the harness sees it: schema, impossible settings, what it lacks, command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

from lockstep.engines.minimal.plugin import ServingEngine
from lockstep.engines.minimal.spec.schema import PHASES
from lockstep.engines.minimal.variants import POINTS
from lockstep.engines.source.schema import Sections
from lockstep.harness.engine_api import NotInCheckout, Path, python_module


class SourceEngine(ServingEngine[Sections]):
    """Entry point `source`."""

    name = "source"
    sections = Sections

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """Which phases there are, and how they are guarded, is the tree's affair."""
        sound = {point.key: point.sound for point in POINTS}
        return {"guards": dict.fromkeys(PHASES, "none"), "habits": sound, "warmup": dict.fromkeys(PHASES, True)}

    def check(self, spec: Mapping[str, Any]) -> Sequence[tuple[Path, str]]:
        """Settings that cannot be."""
        found = [*super().check(spec)]
        tree = spec["config"]["tree"]
        if tree is not None and not File(tree).is_dir():
            found.append((("config", "tree"), f"there is no folder {tree}; give the root of a TensorRT-LLM checkout"))
        return found

    def lacks(self, spec: Mapping[str, Any]) -> str:
        """The tree is not part of the product."""
        given = spec["config"]["tree"] is not None
        return "" if given else "config.tree is not set; give a TensorRT-LLM checkout by --set config.tree=PATH"

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """One rank: everything it needs comes in its environment."""
        return python_module("lockstep.engines.source")

    def tree(self, spec: Mapping[str, Any]) -> str:
        """The checkout whose warm-up runs."""
        return spec["config"]["tree"] or ""

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """The same settings on the warm-up code of another checkout. One of a layout that nobody knows is no verdict."""
        from lockstep.engines.source.trtllm.upstream import UPSTREAM

        files = [entry.file for entry in UPSTREAM.entries]
        if not any((File(tree) / file).is_file() for file in files):
            raise NotInCheckout(f"{tree} is no tree of {UPSTREAM.name}: it has none of {', '.join(files)}")
        return {**spec, "config": {**spec["config"], "tree": tree}}


ENGINE = SourceEngine()
