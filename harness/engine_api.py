"""What the plug-in of an engine imports: everything that docs/engine.md speaks of, whatever file it is in."""

from lockstep.harness.interpreter import python_module
from lockstep.harness.scenario.engine_base import EngineBase, Path, Resources
from lockstep.harness.scenario.errors import NotInCheckout, ScenarioError
from lockstep.harness.scenario.faults import Fault, FaultSections, Skew
from lockstep.harness.scenario.section import Section

__all__ = [
    "EngineBase", "Fault", "FaultSections", "NotInCheckout", "Path", "Resources", "ScenarioError", "Section", "Skew",
    "python_module",
]  # fmt: skip
