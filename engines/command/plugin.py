"""The engine `command` as the harness sees it: what to run, and how many times."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any, Literal

from pydantic import Field, PositiveInt

from lockstep.harness.engine_api import EngineBase, NotInCheckout, Path, Resources, Runtime, Section, Variables, Word

TREE = "{tree}"  # stands for a checkout's folder


class Config(Section):
    """`config`: a command line, and how it is launched."""

    argv: list[Word] = Field(
        min_length=1, description="the command; `python` alone is the Python that runs lockstep; `{tree}`: a checkout"
    )
    processes: PositiveInt = Field(1, description="how many are launched; it may start more itself")
    launcher: Literal["auto", "none", "hydra", "prrte", "srun"] = Field(
        "auto", description="auto: an MPI launcher for more than one process"
    )
    env: Variables = Field(default_factory=dict, description="variables of its environment")
    cwd: Word | None = Field(None, description="its working directory; default: the one that lockstep runs in")


class Sections(Section):
    """The one section; whatever else there is says nothing to a program."""

    config: Config


class CommandEngine(EngineBase[Sections]):
    """Entry point `command`."""

    name = "command"
    sections = Sections
    attached = True

    def ranks(self, sections: Sections) -> int:
        """How many processes are launched."""
        return sections.config.processes

    def spec(self, sections: Sections, ranks: int) -> dict[str, Any]:
        """What the launch needs; the program itself gets nothing."""
        config = sections.config.model_dump()
        return {"config": config, "env": config["env"], "cwd": config["cwd"]}

    def check(self, spec: Mapping[str, Any]) -> Sequence[tuple[Path, str]]:
        """A program that is not there."""
        program = self.command(spec)[0]
        if TREE not in program and shutil.which(program) is None:
            return [(("config", "argv", 0), f"{program or repr(program)}: no such program; give a path, or a name on PATH")]
        return []

    def resources(self, spec: Mapping[str, Any]) -> Resources:
        """Which GPUs it takes is not known; without a launcher its processes are this host's."""
        here = spec["config"].get("launcher") == "none"
        return Resources("all", here_only="`config.launcher: none` starts processes on this host only" if here else "")

    def launcher(self, spec: Mapping[str, Any]) -> str:
        """As the scenario says."""
        return str(spec["config"].get("launcher", "auto"))

    def lacks(self, spec: Mapping[str, Any]) -> str:
        """A checkout, where the command names one; a folder to run in, which a bisection may find in its checkout."""
        config = spec["config"]
        words = [*config["argv"], *config["env"].values(), config["cwd"] or ""]
        named = any(TREE in word for word in words)
        if named:
            return f"{TREE} stands for a checkout; lockstep bisect and judge-commit give one, else name a folder"
        cwd = config["cwd"]
        if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112  (a name that no file can have is no folder either)
            return f"config.cwd: {cwd or repr(cwd)}: no such folder; give one that is there, or leave it out"
        return ""

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """The command line of each launched process."""
        program, *rest = spec["config"]["argv"]
        return [sys.executable if program == "python" else program, *rest]

    def tree(self, spec: Mapping[str, Any]) -> str:
        """The folder in which the command runs: where it is a checkout, that is the program's."""
        return spec["config"].get("cwd") or "."

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """The command runs in the checkout, and `{tree}` stands for its folder."""
        argv, env, cwd = _placed(spec["config"], tree, tree)
        if not File(cwd).is_dir():
            raise NotInCheckout(f"{cwd}: there is no such folder in this commit")
        if "/" in argv[0] and not File(cwd, argv[0]).is_file():
            raise NotInCheckout(f"{argv[0]}: there is no such program in this commit")
        return _with(spec, argv, env, cwd)

    def inside(self, spec: Mapping[str, Any], runtime: Runtime) -> dict[str, Any]:
        """The command finds the environment's programs first, and `{tree}` stands for it; or it runs in a container."""
        argv, env, cwd = _placed(spec["config"], runtime.environment, runtime.folder)
        if runtime.prefix:
            return _with(spec, [*runtime.prefix, *argv], env, cwd)
        programs = File(runtime.environment, "bin")
        if "/" not in argv[0] and (programs / argv[0]).is_file():
            argv[0] = str(programs / argv[0])
        if "/" in argv[0] and not File(cwd, argv[0]).is_file():
            raise NotInCheckout(f"{argv[0]}: there is no such program in this release")
        path = f"{programs}{os.pathsep}{env.get('PATH') or os.environ.get('PATH', os.defpath)}"
        return _with(spec, argv, {**env, "VIRTUAL_ENV": runtime.environment, "PATH": path}, cwd)


def _placed(config: Mapping[str, Any], tree: str, folder: str) -> tuple[list[str], dict[str, str], str]:
    """Command line, variables and working directory, with a folder for `{tree}`; relative paths begin in another."""
    argv = [word.replace(TREE, tree) for word in config["argv"]]
    env = {name: value.replace(TREE, tree) for name, value in config["env"].items()}
    return argv, env, str(File(folder, (config["cwd"] or "").replace(TREE, tree)))


def _with(spec: Mapping[str, Any], argv: list[str], env: dict[str, str], cwd: str) -> dict[str, Any]:
    """The spec with another command line."""
    return {**spec, "config": {**spec["config"], "argv": argv, "env": env, "cwd": cwd}, "env": env, "cwd": cwd}


ENGINE = CommandEngine()
