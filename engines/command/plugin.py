"""The engine `command` as the harness sees it: what to run, and how many times."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

Path = tuple[str | int, ...]


class Config(BaseModel):
    """`config`: a command line, and how it is launched."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    argv: list[str] = Field(min_length=1, description="the command; `python` alone is the Python that runs lockstep")
    processes: PositiveInt = Field(1, description="how many are launched; it may start more itself")
    launcher: Literal["auto", "none", "hydra", "prrte"] = Field(
        "auto", description="auto: an MPI launcher for more than one process"
    )
    env: dict[str, str] = Field(default_factory=dict, description="variables of its environment")
    cwd: str | None = Field(None, description="its working directory; default: the one that lockstep runs in")


class Guards(BaseModel):
    """`guards`: a program has none that we know of."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CommandEngine:
    """Entry point `command`."""

    name = "command"
    Config = Config
    Guards = Guards
    attached = True  # its ranks do not import the recorder: it attaches itself
    sections = frozenset({"config"})  # of the scenario file; the others say nothing to a program

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """What the harness needs for the launch beside the command."""
        return {}

    def ranks(self, config: Mapping[str, Any]) -> int:
        """How many processes are launched."""
        return int(config["processes"])

    def check(self, spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """A program that is not there."""
        program = self.command(spec)[0]
        if shutil.which(program) is None:
            return [(("config", "argv", 0), f"{program}: no such program; give a path, or a name on PATH")]
        return []

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """The command line of each launched process."""
        program, *rest = spec["config"]["argv"]
        return [sys.executable if program == "python" else program, *rest]


ENGINE = CommandEngine()
