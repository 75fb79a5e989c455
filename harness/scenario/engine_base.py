"""What an engine is to the harness: the base class of every plug-in, with a default for all that an engine need not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.imported import ForeignConfig, Imported
from lockstep.harness.scenario.section import Section

Path = tuple[str | int, ...]  # of a key in a scenario file
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a case needs of the hosts of a run beside its ranks. Which GPUs: on the device `cuda` only.

    `gpus`: `each`: one for each rank; `each-or-one`: the same, or one for all ranks where there are too few; `one`: one for
    all ranks; `all`: all of their hosts, since how many are used is not known.
    """

    gpus: Literal["each", "each-or-one", "one", "all"] = "each"
    share: bool = False  # each rank surely takes little of its GPU's memory: other cases may be on it too
    one_host: str = ""  # what only ranks on one host can do, as the start of a sentence; empty: nothing
    here_only: str = ""  # why the processes can start on this host only, as a sentence; empty: they need not


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a command finds its programs: a Python environment, or what stands before it to run it in a container."""

    folder: str  # where its relative paths begin
    environment: str = ""
    prefix: tuple[str, ...] = ()


class NoSections(Section):
    """Of an engine that has nothing to set."""


class EngineBase(Generic[S]):
    """An engine that can be judged. Its instance is the object behind an entry point of the group `lockstep.engines`.

    A plug-in says of which sections its scenarios are made, how many ranks these mean, what the ranks get (the spec) and how
    a rank is started. It is asked while scenarios are loaded, in the harness's process, and imports nothing slow: torch and
    MPI belong to the ranks. `engine_check` says what is wrong with a plug-in as soon as it is found.
    """

    name: str = ""  # the entry point's
    sections: type[S] = NoSections  # type: ignore[assignment]  # the engine's keys of a scenario file, beside the frame's
    phases: Sequence[str] = ()  # names of its ranks' phases, which faults, skew and expectations may name; empty: not known
    less_memory: str = ""  # what takes less of it, as an object of `give`, where `host_bytes` is more than a machine has
    attached: bool = False  # whether its processes know nothing of us: the recorder attaches itself to them

    def ranks(self, sections: S) -> int:
        """How many ranks these sections mean; of an attached engine, how many processes are launched."""
        raise NotImplementedError

    def check_sections(self, sections: S, ranks: int) -> Sequence[tuple[Path, str]]:
        """What is impossible in sections that are right each by itself: the path in the file, and a sentence with advice
        after a semicolon. `spec` is asked only where there is nothing."""
        return ()

    def spec(self, sections: S, ranks: int) -> dict[str, Any]:
        """What the ranks get, as plain JSON. The harness adds `device` and `environment`, and the faults that were drawn."""
        return sections.model_dump(mode="json")

    def check(self, spec: Mapping[str, Any]) -> Sequence[tuple[Path, str]]:
        """What is impossible in a complete spec, as `check_sections` says it."""
        return ()

    def imported(self, config: ForeignConfig) -> Imported:
        """The sections that a config of the product comes to which this engine stands for, as it is: what was left out, what
        is missing, what is wrong. Raises ScenarioError where the engine takes none."""
        raise ScenarioError(f"engine {self.name!r} takes no config of another program; write its sections")

    def lacks(self, spec: Mapping[str, Any]) -> str:
        """What only the user can give before the case can run, in a sentence; empty: nothing. Without it the case is left
        out."""
        return ""

    def facts(self, spec: Mapping[str, Any]) -> Mapping[str, str]:
        """What the spec comes to that a scenario's file does not say, in words, for `lockstep show`: name -> text."""
        return {}

    def host_bytes(self, spec: Mapping[str, Any]) -> int:
        """Memory that all ranks take together at least on the CPU; a machine without it is told. 0: not known."""
        return 0

    def resources(self, spec: Mapping[str, Any]) -> Resources:
        """What the case needs of hosts. Of an attached engine nobody knows which GPUs it takes."""
        return Resources(gpus="all" if self.attached else "each")

    def launcher(self, spec: Mapping[str, Any]) -> str:
        """Of an attached engine: what starts its processes. `auto`: an MPI launcher for more than one; `none`: no launcher;
        or the name of one."""
        return "auto"

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """The command line of one rank's process. For a module of an installed package, see `python_module`."""
        raise NotImplementedError

    def preload(self, spec: Mapping[str, Any]) -> Sequence[str]:
        """Modules that may be imported once for the ranks of many cases, which are then forked from a process that has;
        none: each rank is a process of its own start. No module that knows MPI, makes threads or touches a GPU when it is
        imported, or may change from one case to the next. `command` must be this Python with a file or `-m MODULE`."""
        return ()

    def tree(self, spec: Mapping[str, Any]) -> str:
        """The folder with the code that the ranks run, whose commit reports name; empty: not known."""
        return ""

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """The spec with which `command` runs the code in the folder `tree`, a checkout of the engine's repository, instead
        of what is installed. `tree` is absolute. Raises NotInCheckout when there is nothing to run in it: that commit is
        then neither good nor bad."""
        raise ScenarioError(f"engine {self.name!r} cannot be run from a checkout: its plug-in has no method `at`")

    def inside(self, spec: Mapping[str, Any], runtime: Runtime) -> dict[str, Any]:
        """The spec with which `command` runs in an environment in which a release is installed, or in a container. Raises
        NotInCheckout when that has nothing to run."""
        raise ScenarioError(f"engine {self.name!r} cannot run a release: its plug-in has no method `inside`; use `command`")
