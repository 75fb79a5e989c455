"""From one document to its cases, with every mistake that is in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from lockstep.harness.scenario import skew
from lockstep.harness.scenario.case import Case, Expectation, Limits
from lockstep.harness.scenario.causes import NO_ENTRY, NOTHING, causes, meant
from lockstep.harness.scenario.document import Document, Keys
from lockstep.harness.scenario.engine import find_engine, refused, sections_of_others
from lockstep.harness.scenario.engine_base import EngineBase, Resources
from lockstep.harness.scenario.engine_check import ask, check_command, ranks_of, resources_of, spec_of
from lockstep.harness.scenario.errors import EngineError, FileErrors, Problem, ScenarioError, UnknownEngine
from lockstep.harness.scenario.faults import FaultSections, wrong_faults, wrong_places
from lockstep.harness.scenario.frame import ExpectSection, Frame
from lockstep.harness.scenario.impossible import impossible
from lockstep.harness.scenario.matrix import Names, case_id, matching, points, substitute, too_many, unnamed
from lockstep.harness.scenario.nodes import node_counts
from lockstep.harness.scenario.validate import Place, unknown_key, validate

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a value
FIXED = ("name", "matrix", "expect", "engine", "config_file")  # keys that a matrix cannot vary


class Loader:
    """Turns one document into cases, gathering problems on the way."""

    def __init__(self, document: Document, data: dict[str, Any]) -> None:
        self.document = document
        self.data, self.names = unnamed(data)
        self.problems: list[Problem] = []

    def cases(self) -> list[Case]:
        """The cases. Raises FileErrors with everything that is wrong."""
        self.engine = self._engine()
        matrix = self._matrix()
        if much := too_many(matrix, len(self.document.values)):
            raise FileErrors([self.document.problem(("matrix",), much, "take values out, or make several files of it")])
        every = list(points(matrix))
        # The matrix may give what the file leaves out: the first value of each key stands in while the frame is checked.
        frame, _ = validate(Frame, self._of_frame(self._at(matrix, every[0])), self.document)
        if frame is not None:
            self._check_expectations(frame)
        if frame is None or self.engine is None or matrix != frame.matrix:
            for point in every:
                self._check_sections(self._at(matrix, point), point)
            raise FileErrors(causes(self.problems))
        cases = [case for point in every if (case := self._case(frame, self.engine, point)) is not None]
        if self.problems:
            raise FileErrors(causes(self.problems))
        return cases

    def _engine(self) -> EngineBase[Any] | None:
        name = self.data.get("engine", Frame.model_fields["engine"].default)
        if not isinstance(name, str):
            return None  # the frame says so
        try:
            return find_engine(name)
        except (UnknownEngine, EngineError) as error:
            for line in str(error).splitlines():
                self.problems.append(self.document.problem(("engine",), *halves(line), at_value=True))
        return None

    def _matrix(self) -> dict[str, list[Any]]:
        """What of the matrix can be multiplied, also when the frame is wrong; keys that cannot are noted."""
        raw = self.data.get("matrix")
        found: dict[str, list[Any]] = {}
        for key, values in raw.items() if isinstance(raw, dict) else ():
            if not isinstance(key, str) or not isinstance(values, list):
                continue  # the frame says so
            top = key.split(".")[0]
            engine = self.engine  # of which engine a section is that some scenario can have, is said elsewhere
            if top in FIXED or (engine is not None and top not in _varying(engine) | sections_of_others(engine)):
                advice = meant(top, _varying(engine), "")
                self.problems.append(self.document.problem(("matrix", key), f"{NOTHING}: {top}", advice))
            elif wrong := [name for name in self.names.get(key, ()) if not NAME.fullmatch(name)]:
                text = f"{wrong[0]!r} is no name of a value"
                self.problems.append(
                    self.document.problem(("matrix", key, wrong[0]), text, "use letters, digits, . _ and -")
                )
            elif not values:
                self.problems.append(self.document.problem(("matrix", key), "has no values", "add some or remove the key"))
            else:
                found[key] = values
        return found

    def _at(self, matrix: Mapping[str, list[Any]], point: Mapping[str, int]) -> dict[str, Any]:
        return substitute(self.data, {key: matrix[key][number] for key, number in point.items()})

    def _of_frame(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key in Frame.model_fields}

    def _check_sections(self, data: dict[str, Any], point: Mapping[str, int]) -> tuple[Frame | None, BaseModel | None]:
        """The frame and the engine's sections of one point; None for each that is wrong, with its problems noted."""
        place = _placing(point, self.names)
        frame, problems = validate(Frame, self._of_frame(data), self.document, (), place)
        self.problems += problems
        engine = self.engine
        if engine is None:
            return frame, None
        own = {key: value for key, value in data.items() if key in engine.sections.model_fields}
        sections, problems = ask(engine, "sections", lambda: validate(engine.sections, own, self.document, (), place))
        self.problems += problems
        if self._check_names(engine, data, place):
            return frame, None  # what a key that nobody knows would have said is missing everywhere
        return frame, sections

    def _check_faults(self, engine: EngineBase[Any], frame: Frame, data: dict[str, Any], place: Place) -> None:
        """The places of faults where sections are wrong in faults alone: a mistake of one kind hides none of another."""
        if not issubclass(engine.sections, FaultSections) or not data.get("faults"):
            return
        own = {key: value for key, value in data.items() if key in engine.sections.model_fields and key != "faults"}
        sections, _ = validate(engine.sections, own, self.document)
        if sections is not None:
            with contextlib.suppress(ScenarioError):  # told already
                self._note(wrong_places(data["faults"], ranks_of(engine, sections), frame.launches, engine.phases), place)

    def _check_names(self, engine: EngineBase[Any], data: Mapping[Any, Any], place: Place) -> bool:
        """Note the keys that this engine's scenarios cannot have; whether there are any."""
        known = _keys(engine)
        unknown = [key for key in data if key not in known]
        others = sections_of_others(engine) | refused(engine) if unknown else set()
        for key in unknown:
            if key in others:
                what, advice = f"the engine {engine.name} takes no {key}", "remove it"
            else:
                what, advice = unknown_key(key, known)
            self.problems.append(self.document.problem(place((key,)), what, advice))
        return bool(unknown)

    def _check_expectations(self, frame: Frame) -> None:
        for number, expect in enumerate(frame.expect):
            for key, value in expect.when.items():
                path: Keys = ("expect", number, "when", key)
                if key not in frame.matrix:
                    advice = meant(key, list(frame.matrix), f"it has {', '.join(frame.matrix) or 'no key'}")
                    self.problems.append(self.document.problem(path, "is not a key of the matrix", advice))
                elif value not in frame.matrix[key]:
                    text = f"{value!r} is not a value of matrix key {key}"
                    names = self.names.get(key)
                    there = f"it has {', '.join(names) if names else frame.matrix[key]}"
                    advice = meant(value, names or list(map(str, frame.matrix[key])), there)
                    self.problems.append(self.document.problem(path, text, advice, at_value=True))

    def _case(self, frame: Frame, engine: EngineBase[Any], point: dict[str, int]) -> Case | None:
        """One case; None when it has problems, which are noted."""
        values = {key: frame.matrix[key][number] for key, number in point.items()}
        data = substitute(self.data, values)

        place = _placing(point, self.names)
        ident = case_id(frame.name, frame.matrix, point, self.names)
        before = len(self.problems)
        here, sections = self._check_sections(data, point)
        expect = self._expectation(frame, values, ident)
        if here is not None and sections is None and not set(data) - set(_keys(engine)):
            self._check_faults(engine, here, data, place)
        if here is None or sections is None:
            return None
        made = self._spec(engine, here, sections, place)
        if made is None or len(self.problems) > before or expect is None:
            return None
        ranks, spec, resources = made
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
            nodes=(ranks,) if resources.one_host else node_counts(here, ranks),
        )

    def _spec(
        self, engine: EngineBase[Any], frame: Frame, sections: BaseModel, place: Place
    ) -> tuple[int, dict[str, Any], Resources] | None:
        """How many ranks there are, what they get, and what they need; None for what cannot be, with its problems noted."""
        before = len(self.problems)
        try:
            ranks = ranks_of(engine, sections)
        except EngineError:
            raise
        except ScenarioError as error:
            self._note([((), str(error))], place)
            return None
        if isinstance(sections, FaultSections):
            self._note(wrong_faults(sections, ranks, frame.launches, engine.phases), place)
        self._note(impossible(frame, ranks, engine.phases), place)
        self._note(ask(engine, "check_sections", lambda: list(engine.check_sections(sections, ranks))), place)
        if len(self.problems) > before:
            return None
        spec = _complete(engine, frame, sections, ranks)
        self._note(ask(engine, "check", lambda: list(engine.check(spec))), place)
        if len(self.problems) > before:
            return None
        check_command(engine, spec)
        resources = resources_of(engine, spec)
        if resources.one_host and len(node_counts(frame, ranks)) > 1:
            key = "nodes" if frame.ranks_per_node is None else "ranks_per_node"
            self._note([((key,), f"{resources.one_host}, which only ranks on one host can; leave this out")], place)
        return ranks, spec, resources

    def _note(self, found: Iterable[tuple[Keys, str]], place: Place) -> None:
        self.problems += [self.document.problem(place(path), *halves(text), at_value=True) for path, text in found]

    def _expectation(self, frame: Frame, values: Mapping[str, Any], ident: str) -> ExpectSection | None:
        fitting = matching([expect.when for expect in frame.expect], values)
        if len(fitting) == 1:
            return frame.expect[fitting[0]]
        if not fitting:
            self.problems.append(self.document.problem(("expect",), f"{NO_ENTRY} {ident}", "add one, or one without when"))
        else:
            text = f"fits {ident} as well as entry {fitting[0]} does"
            path = ("expect", fitting[1])
            self.problems.append(self.document.problem(path, text, "name one more matrix key in its when"))
        return None


def _placing(point: Mapping[str, int], names: Names) -> Place:
    """From paths in a point's data to paths in the file: what lies below a substituted key is in the matrix."""

    def place(path: Keys) -> Keys:
        for key, number in point.items():
            keys = tuple(key.split("."))
            if path[: len(keys)] == keys:
                return ("matrix", key, names[key][number] if key in names else number, *path[len(keys) :])
        return path

    return place


def _keys(engine: EngineBase[Any]) -> list[str]:
    """All that its scenarios can have."""
    return [*(set(Frame.model_fields) - refused(engine)), *engine.sections.model_fields]


def _varying(engine: EngineBase[Any] | None) -> set[str]:
    """What a matrix of its scenarios can vary; of an engine that is not known, what is so of all."""
    return {*Frame.model_fields, *(engine.sections.model_fields if engine is not None else ())} - set(FIXED)


def halves(text: str) -> tuple[str, str]:
    """What is wrong, and what to do, of one sentence."""
    what, _, advice = text.partition("; ")
    return what, advice


def _complete(engine: EngineBase[Any], frame: Frame, sections: BaseModel, ranks: int) -> dict[str, Any]:
    """All that the ranks get; expectations are no part of it."""
    spec = spec_of(engine, sections, ranks)
    if isinstance(sections, FaultSections):
        spec["faults"] = skew.faults(sections, ranks, engine.phases)
        spec["skew"] = skew.record(sections, spec["faults"])
    if not engine.attached:
        spec["environment"] = dict(frame.environment)
    return {**spec, "device": frame.device}


def _plain(section: ExpectSection) -> Expectation:
    raw = section.model_dump(exclude={"when", "note"}, exclude_none=True)
    for name in ("blame", "findings", "absent_findings"):
        if name in raw:
            raw[name] = tuple(raw[name])
    return Expectation(**raw)
