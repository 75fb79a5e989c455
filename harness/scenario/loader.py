"""From one document to its cases, with every mistake that is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from lockstep.harness.scenario import skew
from lockstep.harness.scenario.capacity import capacity, per_rank
from lockstep.harness.scenario.case import Case, Expectation, Limits
from lockstep.harness.scenario.document import Document, Keys
from lockstep.harness.scenario.engine import SECTIONS, Engine, find_engine, is_attached, one_host, sections
from lockstep.harness.scenario.errors import FileErrors, Problem, UnknownEngine
from lockstep.harness.scenario.frame import ExpectSection, Frame
from lockstep.harness.scenario.impossible import PHASES, impossible
from lockstep.harness.scenario.matrix import case_id, matching, points, substitute
from lockstep.harness.scenario.nodes import node_counts
from lockstep.harness.scenario.validate import Place, validate


class Loader:
    """Turns one document into cases, gathering problems on the way."""

    def __init__(self, document: Document, data: dict[str, Any]) -> None:
        self.document = document
        self.data = data
        self.problems: list[Problem] = []

    def cases(self) -> list[Case]:
        """The cases. Raises FileErrors with everything that is wrong."""
        matrix = self._matrix()
        every = list(points(matrix))
        # The matrix may give what the file leaves out: the first value of each key stands in while the frame is checked.
        frame, _ = validate(Frame, self._at(matrix, every[0]), self.document)
        engine = self._engine()
        if frame is not None:
            self._check_expectations(frame)
        if frame is None or engine is None or matrix != frame.matrix:
            for point in every:
                self._check_sections(engine, self._at(matrix, point), point)
            raise FileErrors(self.problems)
        cases = [case for point in every if (case := self._case(frame, engine, point)) is not None]
        if self.problems:
            raise FileErrors(self.problems)
        return cases

    def _matrix(self) -> dict[str, list[Any]]:
        """What of the matrix can be multiplied, also when the frame is wrong; keys that cannot are noted."""
        raw = self.data.get("matrix")
        found: dict[str, list[Any]] = {}
        for key, values in raw.items() if isinstance(raw, dict) else ():
            if not isinstance(key, str) or not isinstance(values, list):
                continue  # the frame says so
            top = key.split(".")[0]
            if top not in Frame.model_fields or top in ("name", "matrix", "expect", "engine"):
                self.problems.append(self.document.problem(("matrix", key), f"names nothing that can vary: {top}"))
            elif not values:
                self.problems.append(self.document.problem(("matrix", key), "has no values", "add some or remove the key"))
            else:
                found[key] = values
        return found

    def _at(self, matrix: Mapping[str, list[Any]], point: Mapping[str, int]) -> dict[str, Any]:
        return substitute(self.data, {key: matrix[key][number] for key, number in point.items()})

    def _engine(self) -> Engine | None:
        name = self.data.get("engine", Frame.model_fields["engine"].default)
        if not isinstance(name, str):
            return None  # the frame says so
        try:
            return find_engine(name)
        except UnknownEngine as error:
            self.problems.append(self.document.problem(("engine",), *halves(str(error)), at_value=True))
        return None

    def _check_sections(
        self, engine: Engine | None, data: dict[str, Any], point: Mapping[str, int]
    ) -> tuple[Frame | None, BaseModel | None, BaseModel | None]:
        """The frame, `config` and `guards` of one point; None for each that is wrong, with its problems noted."""
        place = _placing(point)
        frame, problems = validate(Frame, data, self.document, (), place)
        self.problems += problems
        if engine is None:
            return frame, None, None
        config, problems = validate(engine.Config, data.get("config", {}), self.document, ("config",), place)
        self.problems += problems
        guards, problems = validate(engine.Guards, data.get("guards", {}), self.document, ("guards",), place)
        self.problems += problems
        self._check_section_names(engine, data, place)
        return frame, config, guards

    def _check_section_names(self, engine: Engine, data: Mapping[str, Any], place: Place) -> None:
        """Sections that the engine does not take, and the one that others cannot do without."""
        taken = sections(engine)
        for name in sorted((SECTIONS - taken) & set(data)):
            text = f"the engine {engine.name} takes no {name}; remove it"
            self.problems.append(self.document.problem(place((name,)), *halves(text)))
        if "kv_capacity" in taken and "kv_capacity" not in data:
            self.problems.append(self.document.problem(("kv_capacity",), "is missing", "add it"))

    def _check_expectations(self, frame: Frame) -> None:
        for number, expect in enumerate(frame.expect):
            for key, value in expect.when.items():
                path: Keys = ("expect", number, "when", key)
                if key not in frame.matrix:
                    known = ", ".join(frame.matrix) or "no key"
                    self.problems.append(self.document.problem(path, "is not a key of the matrix", f"it has {known}"))
                elif value not in frame.matrix[key]:
                    text = f"{value!r} is not a value of matrix key {key}"
                    self.problems.append(self.document.problem(path, text, f"it has {frame.matrix[key]}", at_value=True))

    def _case(self, frame: Frame, engine: Engine, point: dict[str, int]) -> Case | None:
        """One case; None when it has problems, which are noted."""
        values = {key: frame.matrix[key][number] for key, number in point.items()}
        data = substitute(self.data, values)

        place = _placing(point)
        ident = case_id(frame.name, frame.matrix, point)
        before = len(self.problems)
        here, config, guards = self._check_sections(engine, data, point)
        expect = self._expectation(frame, values, ident)
        if here is None or config is None or guards is None:
            return None
        attached = is_attached(engine)
        ranks = engine.ranks(config.model_dump()) if attached else here.parallel.tp * here.parallel.pp  # type: ignore[attr-defined]
        self._note(impossible(here, ranks), place)
        if len(self.problems) > before:
            return None
        settings = config.model_dump()
        spec = _program(settings) if attached else _spec(here, engine, settings, guards.model_dump(), ranks)
        self._note(engine.check(spec), place)
        wanted, together = node_counts(here, ranks), one_host(engine, spec)
        if together and len(wanted) > 1:
            key = "nodes" if here.ranks_per_node is None else "ranks_per_node"
            self._note([((key,), f"{together}, which only ranks on one host can; leave this out")], place)
        if len(self.problems) > before or expect is None:
            return None
        return Case(
            id=ident,
            scenario=frame.name,
            path=self.document.file,
            source=frame.source,
            summary=frame.summary,
            tags=tuple(frame.tags),
            engine=frame.engine,
            ranks=ranks,
            point=values,
            spec=spec,
            expect=_plain(expect),
            limits=Limits(**here.limits.model_dump()),
            reports=tuple(frame.reports),
            mechanism_class=frame.mechanism_class or "",
            note=expect.note or "",
            launches=here.launches,
            nodes=(ranks,) if together else wanted,
        )

    def _note(self, found: Iterable[tuple[Keys, str]], place: Place) -> None:
        self.problems += [self.document.problem(place(path), *halves(text), at_value=True) for path, text in found]

    def _expectation(self, frame: Frame, values: Mapping[str, Any], ident: str) -> ExpectSection | None:
        fitting = matching([expect.when for expect in frame.expect], values)
        if len(fitting) == 1:
            return frame.expect[fitting[0]]
        if not fitting:
            self.problems.append(
                self.document.problem(("expect",), f"no entry fits {ident}", "add one, or one without when")
            )
        else:
            text = f"fits {ident} as well as entry {fitting[0]} does"
            path = ("expect", fitting[1])
            self.problems.append(self.document.problem(path, text, "name one more matrix key in its when"))
        return None


def _placing(point: Mapping[str, int]) -> Place:
    """From paths in a point's data to paths in the file: what lies below a substituted key is in the matrix."""

    def place(path: Keys) -> Keys:
        for key, number in point.items():
            keys = tuple(key.split("."))
            if path[: len(keys)] == keys:
                return ("matrix", key, number, *path[len(keys) :])
        return path

    return place


def halves(text: str) -> tuple[str, str]:
    """What is wrong, and what to do, of one sentence."""
    what, _, advice = text.partition("; ")
    return what, advice


def _program(config: dict[str, Any]) -> dict[str, Any]:
    """What the launch of a program needs; the program itself gets nothing."""
    return {"config": config, "env": config.get("env", {}), "cwd": config.get("cwd"), "device": "auto"}


def _spec(frame: Frame, engine: Engine, config: dict[str, Any], guards: dict[str, Any], ranks: int) -> dict[str, Any]:
    """All that the ranks get; expectations are no part of it."""
    if frame.kv_capacity is None:
        raise ValueError("an engine with a KV cache needs kv_capacity")  # which was checked before
    unit, amount = capacity(frame.kv_capacity)
    values: Sequence[float] = per_rank(amount, ranks)
    memory, host_memory = frame.gpu.memory_bytes, frame.cpu.memory_bytes
    if unit != "fraction":
        values = [int(value) for value in values]
    faults = skew.faults(frame, ranks, PHASES)
    return {
        "parallel": {**frame.parallel.model_dump(), "ep": frame.parallel.ep or frame.parallel.tp},
        "config": config,
        "kv_capacity": {"unit": unit, "per_rank": values},
        **engine.resolve(guards),
        "workload": frame.workload.model_dump(),
        "faults": faults,
        "skew": skew.record(frame, faults),
        "on_error": frame.on_error,
        "environment": dict(frame.environment),
        "device": frame.device,
        "gpu": {
            "memory_bytes": None if memory is None else [int(value) for value in per_rank(memory, ranks)],
            "breadcrumbs": frame.gpu.breadcrumbs,
            "plane": frame.gpu.plane,
        },
        "cpu": {"memory_bytes": None if host_memory is None else [int(value) for value in per_rank(host_memory, ranks)]},
    }


def _plain(section: ExpectSection) -> Expectation:
    raw = section.model_dump(exclude={"when", "note"}, exclude_none=True)
    for name in ("blame", "findings", "absent_findings"):
        if name in raw:
            raw[name] = tuple(raw[name])
    return Expectation(**raw)
