"""The warm-up of an upstream tree: its own control flow, run on this rank of the minimal engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.graft import graft
from lockstep.engines.source.graft.notes import Notes
from lockstep.engines.source.graft.upstream import Entry, Upstream
from lockstep.engines.source.tree.class_source import ClassSource
from lockstep.engines.source.tree.modules import Tree
from lockstep.engines.source.tree.namespace import Namespace, World

NOT_UPSTREAMS = (AttributeError, ImportError, NameError, TypeError)


class SourceWarmUp:
    """Takes the place of the minimal engine's own warm-up. Raises Unable for what it cannot run."""

    def __init__(self, context: RankContext, hand_off: CacheHandOff, upstream: Upstream, root: Path) -> None:
        self.context, self.hand_off, self.upstream, self.root = context, hand_off, upstream, root
        self.captured: dict[str, list[int]] = {}
        self.skipped: dict[str, list[int]] = {}

    def run(self) -> None:
        """The tree's warm-up, then the meeting of all ranks that follows it."""
        entry, source = find_entry(self.upstream, Tree(self.root, self.upstream.package))
        bench = Bench(rank=self.context, hand_off=self.hand_off, mentions=source.mentions)
        stand = self.upstream.stand(bench)
        world = World(source.tree, stand.names, stand.libraries)
        bench.grafted = graft(source, world, stand.attributes, Notes(self.upstream, bench).wrap)
        stand.bind(bench.grafted)
        self.context.engine.warming_up = True
        try:
            getattr(bench.grafted, entry.method)(*(stand.arguments[name] for name in entry.arguments))
        except NOT_UPSTREAMS as error:
            # These tell of a stand-in that is not what the code takes it for, or of a mistake of the tree's own. Neither
            # says how its ranks agree.
            raise Unable(f"{type(error).__name__}: {error} at {_raised_at(error)}") from error
        self.context.engine.warming_up = False
        self._note()
        with self.context.recorder.phase("clock"):
            self.context.faults.at("clock")
            self.context.world.barrier()
            self.context.world.allgather(time.monotonic(), "clock")

    def _note(self) -> None:
        """Which of the configured graphs there are now."""
        for phase, kind, sizes in (
            ("generation_capture", "generation", self.context.settings.graphs.sizes),
            ("prefill_capture", "prefill", self.context.settings.graphs.prefill_sizes),
        ):
            made = {key[1] for key in self.context.engine.graphs if key[0] == kind}
            if sizes:
                self.captured[phase] = [size for size in sizes if size in made]
                self.skipped[phase] = [size for size in sizes if size not in made]


def find_entry(upstream: Upstream, tree: Tree) -> tuple[Entry, ClassSource]:
    """The layout that the tree has. Raises Unable when it has none that is known."""
    seen: list[str] = []
    for entry in upstream.entries:
        module = tree.at(entry.file)
        if module is None:
            seen.append(f"no {entry.file}")
            continue
        source = ClassSource.find(tree, module, entry.cls)
        if source is None:
            seen.append(f"no class {entry.cls} in {entry.file}")
        elif source.owner(entry.method) is None:
            seen.append(f"no method {entry.cls}.{entry.method} in {entry.file}")
        else:
            return entry, source
    raise Unable(f"{tree.root} is not a tree of {upstream.name} as this engine knows it: {_listed(seen)}")


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)


def _raised_at(error: BaseException) -> str:
    """The last line of the tree on the way to the error."""
    trace: Any = error.__traceback__
    found = "no line of the tree"
    while trace is not None:
        names = trace.tb_frame.f_globals
        if isinstance(names, Namespace):
            found = f"{names.world.tree.relative(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
