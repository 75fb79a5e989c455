"""What the plug-in of an engine imports: everything that docs/engine.md speaks of, whatever file it is in."""

from lockstep.harness.interpreter import python_module
from lockstep.harness.scenario.document import Document
from lockstep.harness.scenario.document import of_text as parse_document
from lockstep.harness.scenario.document import read as read_document
from lockstep.harness.scenario.engine_base import EngineBase, Path, Resources, Runtime
from lockstep.harness.scenario.errors import NotInCheckout, Problem, ScenarioError
from lockstep.harness.scenario.faults import Fault, FaultSections, Skew
from lockstep.harness.scenario.imported import ForeignConfig, Imported, Missing, Note, Origin
from lockstep.harness.scenario.kernel_text import Variables, Word
from lockstep.harness.scenario.section import Section

__all__ = [
    "Document",
    "EngineBase",
    "Fault",
    "FaultSections",
    "ForeignConfig",
    "Imported",
    "Missing",
    "NotInCheckout",
    "Note",
    "Origin",
    "Path",
    "Problem",
    "Resources",
    "Runtime",
    "ScenarioError",
    "Section",
    "Skew",
    "Variables",
    "Word",
    "parse_document",
    "python_module",
    "read_document",
]  # fmt: skip
