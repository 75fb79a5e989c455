"""The upstream working tree: its modules as syntax trees. Nothing of it is imported, built or run here."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.engines.minimal.base.unable import Unable

# Python 3.11 counts its recursion in one place for all threads that make or compile syntax trees (gh-106905).
PARSING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Import:
    """What a name of a module stands for: a module (no `symbol`), or a symbol of one."""

    module: str  # dotted, absolute
    symbol: str


@dataclass(slots=True)
class Module:
    """One parsed file. `definitions`: each name with the top-level statements that bind it, in order."""

    name: str  # dotted
    path: Path
    package: str  # what relative imports start from
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    branched: set[str] = field(default_factory=set)  # bound under `if` or `try`
    ambiguous: set[str] = field(default_factory=set)  # bound there and elsewhere too: who knows which it is

    def absolute(self, name: str, level: int) -> str:
        """The dotted name that a relative import of `level` dots means here."""
        if not level:
            return name
        parts = self.package.split(".")
        return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])

    def read(self, body: Sequence[ast.stmt], branch: bool = False) -> None:
        """Note what the statements of the module bind, also those under `if` and `try`."""
        for statement in body:
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    top = alias.name.split(".")[0]
                    self._import(alias.asname or top, Import(alias.name if alias.asname else top, ""), branch)
            elif isinstance(statement, ast.ImportFrom):
                source = self.absolute(statement.module or "", statement.level)
                for alias in statement.names:
                    self._import(alias.asname or alias.name, Import(source, alias.name), branch)
            elif isinstance(statement, (ast.If, ast.Try)):
                handlers = statement.handlers if isinstance(statement, ast.Try) else []
                inside = [*statement.body, *(s for handler in handlers for s in handler.body), *statement.orelse]
                self.read(inside, branch=True)
            else:
                for name in bound(statement):
                    self._bind(name, branch)
                    self.definitions.setdefault(name, []).append(statement)

    def _import(self, name: str, source: Import, branch: bool) -> None:
        self._bind(name, branch and self.imports.get(name) != source)
        self.imports[name] = source

    def _bind(self, name: str, branch: bool) -> None:
        if name in self.branched or (branch and (name in self.definitions or name in self.imports)):
            self.ambiguous.add(name)
        if branch:
            self.branched.add(name)


@dataclass(slots=True)
class Tree:
    """The modules of a package below `root`, each read once."""

    root: Path
    package: str
    modules: dict[str, Module | None] = field(default_factory=dict)

    def module(self, name: str) -> Module | None:
        """A module by its dotted name; None when the tree has no such file. Raises Unable for one that cannot be parsed."""
        if name not in self.modules:
            self.modules[name] = self._read(name)
        return self.modules[name]

    def at(self, file: str) -> Module | None:
        """A module by its path below the root."""
        return self.module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    def relative(self, file: str) -> str:
        """A path as people write it who know the tree."""
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else file

    def _read(self, name: str) -> Module | None:
        below = self.root.joinpath(*name.split("."))
        plain, package = below.with_suffix(".py"), below / "__init__.py"
        path = next((found for found in (plain, package) if found.is_file()), None)
        if path is None:
            return None
        try:
            with PARSING:
                parsed = ast.parse(path.read_bytes(), str(path))
        except SyntaxError as error:
            place = f"{self.relative(str(path))}:{error.lineno}"
            raise Unable(f"{place}: not valid Python for {_this_python()}: {error.msg}") from error
        except (OSError, ValueError) as error:
            raise Unable(f"{self.relative(str(path))}: cannot be read: {error}") from error
        module = Module(name, path, name if path == package else name.rpartition(".")[0])
        module.read(parsed.body)
        return module


def bound(statement: ast.stmt) -> Iterator[str]:
    """The names that one statement of a module or a class binds."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None and isinstance(statement.target, ast.Name):
        yield statement.target.id


def _this_python() -> str:
    import platform

    return f"Python {platform.python_version()}"
