"""Container images as what is launched: the case's command runs in each, by podman or docker.

What the recorder needs of the host is shared with the container: this code, temporary files, memory, process ids, network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lockstep.harness import environment
from lockstep.harness.bisect.build import ROOT, Built, run_build
from lockstep.harness.bisect.checkouts import Checkout
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.state import BisectionRequest, Kept
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import Runtime
from lockstep.harness.shell import command_line

TOOLS = ("podman", "docker")
HANDED_ON = ("PYTHONPATH", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Container(Kept):
    """How images are run. `options`: more of them, for `podman run`."""

    folder: str
    tool: str
    options: tuple[str, ...] = ()

    def command(self, image: str, name: str) -> tuple[str, ...]:
        """What stands before the case's command."""
        shared = [f"{ROOT}:{ROOT}:ro", f"{self.folder}:{self.folder}", "/tmp:/tmp"]
        words = [self.tool, "run", "--rm", "--init", "--name", name, "--network=host", "--ipc=host", "--pid=host"]
        words += [word for volume in shared for word in ("--volume", volume)]
        words += ["--workdir", self.folder]
        words += [word for variable in (*variables(), *HANDED_ON) for word in ("--env", variable)]
        return (*words, "--entrypoint", "", *self.options, image)


def variables() -> list[str]:
    """Every LOCKSTEP_ variable that a process of the case may get."""
    kept = (value for name, value in vars(environment).items() if name.isupper() and isinstance(value, str))
    return sorted(value for value in kept if value not in (environment.PLAN, environment.TOKEN))


def container_tool() -> str:
    """Podman, or docker. Raises BisectionError where neither is there."""
    for tool in TOOLS:
        if (found := shutil.which(tool)) is not None:
            return found
    raise BisectionError(
        f"--versions with images needs a container tool, and neither {' nor '.join(TOOLS)} is on PATH here; install one, or "
        "give releases (NAME==OLD..NEW) or wheels, which need none"
    )


@dataclass(slots=True)
class Images:
    """All images of one bisection."""

    asked: BisectionRequest
    container: Container
    prepares: bool = True
    _numbers: dict[str, int] = field(default_factory=dict)
    _pulled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = {name: number for number, (name, _) in enumerate(self.asked.releases, 1)}

    def has(self, ident: str) -> bool:
        """Whether it was pulled."""
        return ident in self._pulled

    @contextmanager
    def use(self, ident: str) -> Iterator[Checkout]:
        """This image; whatever still runs of it is ended afterwards."""
        checkout = Checkout(self._numbers[ident], Path(self.container.folder))
        try:
            yield checkout
        finally:
            words = [self.container.tool, "rm", "--force", self._name(checkout)]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def prepare(self, ident: str, checkout: Checkout, log: Path, stopped: Callable[[], bool]) -> Built:
        """Pull it."""
        built = run_build(command_line([self.container.tool, "pull", ident]), checkout.path, ident, log, stopped)
        if built.ok:
            self._pulled.add(ident)
            return built
        return Built(False, f"it cannot be pulled: {built.text}")

    def case(self, case: Case, checkout: Checkout) -> Case:
        """The engine puts the container's command line before its own."""
        image = self.asked.releases[checkout.number - 1][1]
        runtime = Runtime(self.container.folder, prefix=self.container.command(image, self._name(checkout)))
        return replace(case, spec=find_engine(case.engine).inside(case.spec, runtime))

    def rerun(self, case: Case, ident: str, wanted: str) -> str:
        """The container's own command line, under watch."""
        return command_line(["lockstep", "watch", "--", *case.spec["config"]["argv"]])

    def details(self, ident: str) -> tuple[str, ...]:
        """How to look at it."""
        return (f"image {ident}", "", command_line([self.container.tool, "image", "inspect", ident]))

    def _name(self, checkout: Checkout) -> str:
        """Another one for each launch that goes on at once: each is a thread of its own."""
        return f"lockstep-{os.getpid()}-{threading.get_ident()}-{checkout.number}"
